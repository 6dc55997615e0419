"""What every subject stands on; knows no subject itself."""
