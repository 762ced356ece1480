"""Files: where they live (`places`), how they are packed (`compression`), what is in them (`formats`)."""
