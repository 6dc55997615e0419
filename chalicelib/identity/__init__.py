"""Who is calling: e-mailed one-time handles and sign-in sessions."""
