"""What one does with a finished run: transfer to other tasks and models, loss landscapes, export.

Nothing here changes what the run itself recorded. Import what is needed from the modules: they load torch.
"""
