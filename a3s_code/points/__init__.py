"""The extension points: for each subject its Protocol, its frozen values and its pure rules."""
