"""What the service shows over HTTP: four programming interfaces, and pages."""
