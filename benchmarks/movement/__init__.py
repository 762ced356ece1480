"""How fast tables move: mainstem beside Sling and dlt, in turn, each as a whole process."""
