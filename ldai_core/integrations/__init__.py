"""What this library can stand on beside LaunchDarkly; each module needs a package of its own."""
