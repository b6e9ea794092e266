"""What a merchant reads when Migo gives no link: Spanish, then English, by error key.

Each text says what happened and what to do next, without codes and without blame.
"""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "migo.error": (
        "Migo no entregó el enlace de pago. Intenta de nuevo; si se repite, escribe a Migo.",
        "Migo gave no payment link. Try again; if it happens again, write to Migo.",
    ),
    "migo.refused": (
        "Migo no aceptó este cobro. Revisa los datos antes de intentarlo de nuevo.",
        "Migo did not accept this payment. Check its details before trying again.",
    ),
    "migo.not_created": (
        "El enlace todavía no se creó. Lo intentaremos de nuevo; no tienes que hacer nada.",
        "The link was not created yet. We will try again; there is nothing for you to do.",
    ),
    "migo.unknown": (
        "No sabemos si Migo creó el enlace. Búscalo en el panel de Migo antes de pedir otro: "
        "con dos enlaces el cliente podría pagar dos veces.",
        "We do not know whether Migo made the link. Look for it in Migo's dashboard before you "
        "ask for another: with two links the customer could pay twice.",
    ),
    "migo.currency_not_enabled": (
        "Esta moneda no está habilitada para tu comercio, y Migo cobraría en otra. "
        "Usa una moneda habilitada o pide a Migo que active esta.",
        "This currency is not enabled for your account, and Migo would charge in another one. "
        "Use an enabled currency, or ask Migo to enable this one.",
    ),
    "migo.channel_not_mapped": (
        "Este canal no está configurado para Migo. Elige otro canal o agrégalo en MIGO_CHANNELS.",
        "This channel is not set up for Migo. Choose another one, or add it to MIGO_CHANNELS.",
    ),
    "migo.amount_rejected": (
        "El monto está fuera del mínimo y máximo que Migo permite a tu comercio. "
        "Cambia el monto o pide a Migo que amplíe el rango.",
        "The amount is outside the minimum and maximum that Migo allows your account. "
        "Change the amount, or ask Migo to widen the range.",
    ),
    "migo.customer_blocked": (
        "Este cliente está bloqueado en Migo para tu comercio. "
        "Cóbrale por otro medio o pide a Migo que lo desbloquee.",
        "This customer is blocked at Migo for your account. "
        "Collect in another way, or ask Migo to unblock them.",
    ),
    "migo.customer_suspended": (
        "Este cliente está suspendido en Migo por ahora. "
        "Intenta cuando termine la suspensión o pregunta a Migo.",
        "This customer is suspended at Migo for now. "
        "Try again when the suspension ends, or ask Migo.",
    ),
    "migo.customer_excluded": (
        "Este cliente está excluido en Migo y no puede pagar a tu comercio por enlace. "
        "Cóbrale por otro medio o consulta a Migo.",
        "This customer is excluded at Migo and cannot pay your account by link. "
        "Collect in another way, or ask Migo.",
    ),
    "migo.invalid_request": (
        "Migo rechazó un dato del cobro, o el canal no está habilitado para tu comercio. "
        "Revisa el teléfono y el canal; si están bien, pide a Migo que habilite el canal.",
        "Migo rejected a detail of this payment, or the channel is not enabled for your account. "
        "Check phone and channel; if they are right, ask Migo to enable the channel.",
    ),
    "migo.unknown_client": (
        "Migo no reconoce el código de tu comercio. "
        "Revisa MIGO_CLIENT y que sea del mismo ambiente (pruebas o producción).",
        "Migo does not know your account's code. "
        "Check MIGO_CLIENT, and that it belongs to the same environment (sandbox or production).",
    ),
    "migo.key_pair_rejected": (
        "Migo no aceptó las llaves del comercio, y ningún enlace se creará hasta corregirlo. "
        "Revisa MIGO_PUBLIC_KEY y MIGO_PRIVATE_KEY y su ambiente.",
        "Migo did not accept the account's keys, and no link will be made until that is fixed. "
        "Check MIGO_PUBLIC_KEY and MIGO_PRIVATE_KEY and their environment.",
    ),
    "migo.token_rejected": (
        "Migo no aceptó el token del comercio, y ningún enlace se creará hasta corregirlo. "
        "Revisa MIGO_TOKEN y que sea del mismo ambiente (pruebas o producción).",
        "Migo did not accept the account's token, and no link will be made until that is fixed. "
        "Check MIGO_TOKEN, and that it belongs to the same environment (sandbox or production).",
    ),
    "migo.other_refusal": (
        "Migo rechazó el cobro sin un motivo conocido. Escribe a Migo con la hora y el cliente.",
        "Migo refused this payment for no reason we know. Write to Migo with time and customer.",
    ),
    "migo.unreachable": (
        "No pudimos conectar con Migo, así que el enlace no se creó. "
        "Seguiremos intentando; no tienes que hacer nada.",
        "We could not reach Migo, so no link was made. "
        "We keep trying; there is nothing for you to do.",
    ),
    "migo.throttled": (
        "Migo recibe demasiadas solicitudes, así que el enlace no se creó. "
        "Esperaremos lo que pide y lo intentaremos de nuevo.",
        "Migo is getting too many requests, so no link was made. "
        "We will wait as long as it asks and try again.",
    ),
    "migo.creation_failed": (
        "Migo reportó una falla general, y tal vez el enlace sí se creó. "
        "Revisa el panel de Migo antes de pedir otro; si la falla sigue, escribe a Migo.",
        "Migo reported a general failure, and the link may exist all the same. "
        "Look in Migo's dashboard before you ask for another; if it goes on, write to Migo.",
    ),
    "migo.server_failed": (
        "Migo falló mientras creaba el enlace, y tal vez sí se creó. "
        "Revisa el panel de Migo antes de pedir otro.",
        "Migo failed while making the link, and the link may exist all the same. "
        "Look in Migo's dashboard before you ask for another.",
    ),
    "migo.answer_lost": (
        "Perdimos la conexión antes de leer la respuesta de Migo, y tal vez el enlace sí se creó. "
        "Revisa el panel de Migo antes de pedir otro.",
        "We lost the connection before reading Migo's answer, and the link may exist. "
        "Look in Migo's dashboard before you ask for another.",
    ),
    "migo.answer_unreadable": (
        "Migo dijo que sí, pero su respuesta no trae un enlace legible. "
        "Busca el cobro en el panel de Migo y avisa a Migo.",
        "Migo said yes, but its answer holds no readable link. "
        "Look for the payment in Migo's dashboard, and tell Migo.",
    ),
    "migo.link_not_allowed": (
        "Migo devolvió un enlace a un sitio que no está en tu lista, y no lo enviamos a nadie. "
        "Confirma el sitio con Migo; si es correcto, agrégalo a MIGO_LINK_HOSTS.",
        "Migo returned a link to a site that is not on your list, and we sent it to nobody. "
        "Confirm the site with Migo; if it is right, add it to MIGO_LINK_HOSTS.",
    ),
}
