"""Who may do what: the Casbin policy and its enforcement."""
