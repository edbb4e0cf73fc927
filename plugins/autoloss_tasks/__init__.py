"""Shipped tasks: scikit-learn's data sets, image sets, housing, made data, and the user's own tables and data sets.

`tabular.TabularTask` is the base class for a task that is one table.
"""
