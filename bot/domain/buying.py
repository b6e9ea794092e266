"""A customer buys from the catalogue: picks, says how many, confirms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.domain.catalogue import Product
from bot.domain.heard import Act, CreatePayment, Dialogue, Known, Option, Say, Turn
from bot.domain.owing import ask_who, money_value

_CONFIRM_TTL = timedelta(minutes=10)


def show(dialogue: Dialogue, known: Known) -> Turn:
    """The menu of what can be bought."""
    if not known.catalogue:
        person = (Option("customer.label_person", Act.PERSON),)
        return Turn(dialogue, (Say("customer.no_catalogue", options=person),))
    options = tuple(
        Option(
            "customer.product_label",
            Act.PRODUCT,
            {"product": product.name},
            {"name": product.name, "price": money_value(product.price)},
        )
        for product in known.catalogue
    )
    return Turn(dialogue, (Say("customer.catalogue", options=options),))


def picked(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """One product was chosen: ask how many, where several can be had."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    product = _find(known, data.get("product"))
    if product is None:
        return show(dialogue, known)
    if product.most == 1:
        return _confirm(dialogue, product, 1, known)
    asked = replace(dialogue, product=product.name)
    return Turn(asked, (Say("customer.ask_quantity", _values(product)),))


def counted(dialogue: Dialogue, name: str, quantity: int, known: Known) -> Turn:
    """A number was given for the product that was picked."""
    product = _find(known, name)
    if product is None:
        return show(replace(dialogue, product=None), known)
    if not 1 <= quantity <= product.most:
        asked = replace(dialogue, product=product.name)
        return Turn(asked, (Say("customer.wrong_quantity", _values(product)),))
    return _confirm(replace(dialogue, product=None), product, quantity, known)


def _confirm(dialogue: Dialogue, product: Product, quantity: int, known: Known) -> Turn:
    if known.is_stopped:
        back = (Option("customer.label_resume", Act.RESUME),)
        return Turn(dialogue, (Say("customer.stopped_buying", options=back),))
    total = money_value(product.total(quantity))
    shown = {"product": product.name, "quantity": quantity, "total": total}
    options = (
        Option("customer.label_yes", Act.CONFIRM, shown, ttl=_CONFIRM_TTL),
        Option("customer.label_no", Act.DROP, ttl=_CONFIRM_TTL),
    )
    values = {"name": product.name, "quantity": quantity, "total": total}
    say = Say("customer.confirm", values, options)
    return Turn(replace(dialogue, is_asked=True), (say,))


def confirmed(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """Buy what was shown; if the price changed since, show it again instead."""
    product, quantity = _find(known, data.get("product")), data.get("quantity")
    if product is None or not isinstance(quantity, int) or not 1 <= quantity <= product.most:
        return show(dialogue, known)
    total = product.total(quantity)
    if not known.is_identified or known.is_stopped or data.get("total") != money_value(total):
        return _confirm(dialogue, product, quantity, known)
    values = {"name": product.name, "quantity": quantity, "total": money_value(total)}
    bought = CreatePayment(product.name, quantity, total)
    return Turn(dialogue, (Say("customer.bought", values),), (bought,))


def _find(known: Known, name: object) -> Product | None:
    return next((product for product in known.catalogue if product.name == name), None)


def _values(product: Product) -> dict[str, object]:
    return {"name": product.name, "price": money_value(product.price), "most": product.most}
