"""The BIM models of submissions: their line through the stages, their elements, what changed between them."""
