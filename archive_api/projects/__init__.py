"""Buildings, their unit projects and rosters."""
