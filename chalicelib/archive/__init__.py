"""What was published, kept so that anyone can check it years later."""
