"""How fast tables move: mainstem beside Sling, dlt and the limit, in turn, each as a whole process."""
