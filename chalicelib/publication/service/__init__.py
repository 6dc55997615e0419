"""What publishing does: `schedule` waits, `publishing` checks, `delivering` delivers, `sweeping` repairs."""
