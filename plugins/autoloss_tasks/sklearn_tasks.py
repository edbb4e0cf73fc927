"""Tasks on the data sets that come with scikit-learn, without a download."""

from __future__ import annotations

from autoloss_tasks.tabular import Array, TabularTask


class Digits(TabularTask):
    """Handwritten digits: 1,797 rows of 8 x 8 pixels, 10 classes.

    Pixels are divided by 16, their maximum, and not standardised: some are zero in nearly all training rows, and
    a pixel divided by such a small deviation could be a hundred in other rows.
    """

    standardise = False

    def load(self) -> tuple[Array, Array]:
        """Pixels from 0 to 1 and digits."""
        from sklearn.datasets import load_digits

        pixels, digits = load_digits(return_X_y=True)
        return pixels / 16, digits


class Wine(TabularTask):
    """Wines by chemical analysis: 178 rows of 13 features, 3 cultivars."""

    def load(self) -> tuple[Array, Array]:
        """Measurements and cultivars."""
        from sklearn.datasets import load_wine

        table: tuple[Array, Array] = load_wine(return_X_y=True)
        return table


class Iris(TabularTask):
    """Irises by the size of their leaves: 150 rows of 4 features, 3 species."""

    def load(self) -> tuple[Array, Array]:
        """Measurements and species."""
        from sklearn.datasets import load_iris

        table: tuple[Array, Array] = load_iris(return_X_y=True)
        return table


class BreastCancer(TabularTask):
    """Breast tumours: 569 rows of 30 features; malignant (0) or benign (1)."""

    def load(self) -> tuple[Array, Array]:
        """Measurements and diagnoses."""
        from sklearn.datasets import load_breast_cancer

        table: tuple[Array, Array] = load_breast_cancer(return_X_y=True)
        return table


class Diabetes(TabularTask):
    """Progression of diabetes after a year: 442 rows of 10 features, one real target."""

    regression = True

    def load(self) -> tuple[Array, Array]:
        """Measurements and progression."""
        from sklearn.datasets import load_diabetes

        table: tuple[Array, Array] = load_diabetes(return_X_y=True)
        return table


class Linnerud(TabularTask):
    """Weight, waist and pulse of 20 men by 3 exercises: three real targets, and very few rows."""

    regression = True

    def load(self) -> tuple[Array, Array]:
        """Exercises; weight, waist and pulse."""
        from sklearn.datasets import load_linnerud

        table: tuple[Array, Array] = load_linnerud(return_X_y=True)
        return table
