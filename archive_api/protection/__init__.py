"""What stands before every route: headers of answers, limits of requests in number, size and time, secrets from files."""
