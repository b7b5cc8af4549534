"""Export files of ours, of ChatGPT and of Claude as conversations."""
