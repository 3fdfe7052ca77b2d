"""The commands of the front door: each module adds its words and runs what they ask for."""
