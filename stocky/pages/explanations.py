"""What the API explains beside its errors, for `messages`: reasons of a proposal, meanings of columns, warnings.

As there, `%(name)s` stands for any value; of texts that fit, the first one counts.
"""

from __future__ import annotations

from stocky.pages.languages import Text, _

EXPLANATIONS: tuple[Text, ...] = (
    # The reasons of a proposal of the reorganisation.
    _("%(why)s; box %(number)s becomes empty"),
    _("box %(number)s has another thing of type %(name)s"),
    _("box %(number)s has another thing of tag %(name)s"),
    _("box %(number)s has %(count)s other things of type %(name)s"),
    _("box %(number)s has %(count)s other things of tag %(name)s"),
    _("box %(number)s has room for it"),
    _("%(amount)s of it are in %(location)s already"),
    # The columns of an import.
    _("The item's four-letter code; a new item gets it if it is free"),
    _("The item's name; required for a new item"),
    _("The item's description"),
    _("A barcode of the item; without a barcodes column it is added to the item's barcodes"),
    _("All other barcodes, separated by ;, with *6 after the barcode of a pack of six"),
    _("Where the item belongs: pantry, refrigerator, freezer, counter, garage or other"),
    _("The quantity at or below which stock is low"),
    _("How much is bought at a time"),
    _("What to do when more is removed than is in stock: reject, clamp or allow"),
    _("The manufacturer's part number"),
    _("The item's type; a new type is created"),
    _("All tags of the item, separated by ;"),
    _("The seller"),
    _("The item's page at the seller"),
    _("How many days it keeps; what is scanned without an expiry date expires after them"),
    _("How many days it keeps once it is opened"),
    _("The name or the path of the location; a new one is created, with those that it is in"),
    _("The path of the location, instead of its name"),
    _("The storage type of a new location: pantry, refrigerator, freezer, counter, garage or other"),
    _("What the location is: place, or person for one to whom things are lent"),
    _("The number of an existing box; with loc_no, instead of the location's name"),
    _("The number of the location in the box"),
    _("The quantity in stock, or with stock=add the quantity added; at most three decimals"),
    _("The unit of the quantity"),
    _("The expiry date: 2026-12-31, or in the order of `dates`; empty for stock without one"),
    _("Notes on this stock"),
    _("The number of the lot; a date without a column of expiry dates is the expiry date"),
    _("The serial number of one piece"),
    _("What was paid for one of the unit, in the currency of the settings; at most six decimals"),
    _("The day on which it was opened; empty for what is closed"),
    # Why a barcode is not read.
    _("A barcode has at most %(count)s characters"),
    _("This is not a GS1 code with a GTIN, and a barcode has at most %(count)s characters"),
    _(
        "The check digit of %(code)s is wrong: it is %(digit)s and should be %(right)s. Scan it again, or type the"
        " printed number"
    ),
    _("%(value)s cannot be read; scan it again, or type the number alone"),
    _("%(value)s is not a date; book it by the number alone"),
    _("%(value)s is a count of 0; book it by the number alone, with a quantity"),
    _("%(value)s is a weight of 0; book it by the number alone, with a quantity"),
    _("The bag of %(code)s has a quantity of 0; book it by its part number, with a quantity"),
    _(
        "The bag of %(code)s has the quantity %(amount)s, which cannot be read; book it by its part number, with a"
        " quantity"
    ),
    # Warnings of backups and restores.
    _("Not in the backup, because these objects are not Stocky's: %(names)s"),
    _("The backup was edited after it was made: %(edits)s"),
    _("Backup from older version, may have issues (schema %(old)s, now %(new)s); it was migrated"),
    _("Tables and views that are not Stocky's were left out: %(names)s"),
    _(
        "The database file has no %(name)s file beside it: unless the service was stopped before the copy, the last"
        " changes are missing"
    ),
    _(
        "The content of 1 document is neither in the backup nor in the document store; 'stocky check' lists the"
        " documents, and an older archive may have their content"
    ),
    _(
        "The content of %(count)s documents is neither in the backup nor in the document store; 'stocky check' lists"
        " the documents, and an older archive may have their content"
    ),
    _("The contents of documents could not be checked: %(problem)s"),
    _("The content of 1 document was damaged already when it was made"),
    _("The content of %(count)s documents was damaged already when it was made"),
    _("The content of 1 document was missing from the store when it was made"),
    _("The content of %(count)s documents was missing from the store when it was made"),
    _(
        "Would be lost with their tables, because they are not Stocky's: %(names)s; create them again if they are"
        " needed"
    ),
    _("Lost with their tables, because they are not Stocky's: %(names)s; create them again if they are needed"),
    _(
        "These webhooks are inactive, so that a restore sends nothing that was not sent before: %(ids)s; activate"
        " those you need under /webhooks"
    ),
    _(
        "These channels of notices are inactive, so that a restore sends nothing that was not sent before: %(ids)s;"
        " activate those you need under /notices"
    ),
    _("%(count)s stock events were recorded while %(file)s was made and are missing in it"),
    _("%(count)s rows of %(table)s were added, which may change access rights"),
    _("Added webhooks are inactive; activate them under /webhooks if intended"),
    _("Added channels of notices are inactive; activate them under /notices if intended"),
)
