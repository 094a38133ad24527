"""Who asks: persons, their sign-in and their sessions."""
