"""Making it happen: users, their steps, their requests, their connections."""
