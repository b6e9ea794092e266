"""The columns of a file of payments, and what people call them in three languages."""

import re
import unicodedata
from enum import StrEnum
from functools import cache


class Column(StrEnum):
    """What a column of the file is about."""

    PHONE = "phone"
    """Whose; national to the country of the row or of the merchant, or with a plus."""
    AMOUNT = "amount"
    """In major units, as 150.00."""
    CURRENCY = "currency"
    """ISO 4217; may be missing where only one is enabled."""
    CONCEPT = "concept"
    """What it is for, as the customer reads it."""
    REFERENCE = "reference"
    """The merchant's own number; makes repeating a file safe."""
    NAME = "name"
    EMAIL = "email"
    CHANNEL = "channel"
    """One or several in order, as "whatsapp, sms"."""
    COUNTRY = "country"
    """ISO 3166 or a name; the number must be of it."""
    LANGUAGE = "language"
    DUE = "due"
    """The last day to pay."""
    SEND = "send"
    """The day on which the link goes out."""


REQUIRED = (Column.PHONE, Column.AMOUNT)

_NAMES = {
    Column.PHONE: "telefono,tel,celular,movil,cel,numero,numero de telefono,whatsapp,"
    "phone,phone number,mobile,cell,fone,telemovel,numero de telefone,telefone",
    Column.AMOUNT: "monto,importe,valor,total,cantidad,precio,amount,value,price,quantia,montante,"
    "preco,monto a cobrar",
    Column.CURRENCY: "moneda,divisa,currency,moeda",
    Column.CONCEPT: "concepto,descripcion,detalle,motivo,concept,description,detail,descricao,"
    "conceito,detalhe",
    Column.REFERENCE: "referencia,factura,numero de factura,id,codigo,external id,reference,ref,"
    "invoice,invoice number,fatura,nota",
    Column.NAME: "nombre,cliente,nombre completo,name,customer,full name,nome,nome completo",
    Column.EMAIL: "correo,correo electronico,e mail,email,mail,email address,endereco de email",
    Column.CHANNEL: "canal,via,ruta,channel,route,rota",
    Column.COUNTRY: "pais,country",
    Column.LANGUAGE: "idioma,lengua,language,locale,lingua",
    Column.DUE: "vence,vencimiento,fecha de vencimiento,fecha limite,due,due date,due at,"
    "data de vencimento,vencimento",
    Column.SEND: "enviar,enviar el,fecha de envio,send,send at,send date,enviar em,data de envio",
}


def fold(text: str) -> str:
    """A text without accents, capitals and punctuation, for comparing.

    "Teléfono (móvil):" becomes "telefono movil".
    """
    bare = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return re.sub(r"[^a-z0-9]+", " ", bare.casefold()).strip()


@cache
def _columns() -> dict[str, Column]:
    return {name: column for column, names in _NAMES.items() for name in names.split(",")}


def recognize(heading: str) -> Column | None:
    """Which column a heading means, None for one that we do not read."""
    return _columns().get(fold(heading))
