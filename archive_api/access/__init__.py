"""Who may do what: roles, grants, one policy table, and the one place where it is enforced."""
