"""What stands before every route: headers of answers, limits in number, size and time, secrets from files."""
