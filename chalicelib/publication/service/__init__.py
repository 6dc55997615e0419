"""What publishing does: `schedule` waits, `publishing` checks and delivers, `sweeping` repairs."""
