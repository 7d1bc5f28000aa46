"""How the prober names itself."""

from probes.product import NAME, PRODUCT, product_of


def test_the_name_comes_with_the_version_where_there_is_one() -> None:
    assert PRODUCT.startswith(NAME)
    assert product_of("pytest").startswith(f"{NAME}/")
    assert product_of("no-such-distribution") == NAME
