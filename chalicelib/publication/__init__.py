"""From the last approval to every chosen channel: schedule, last check, deliveries."""
