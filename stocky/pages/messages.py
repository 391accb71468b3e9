"""The API's messages in the language of a page; one that is not listed here is shown in English.

A message is found by its English text, where `%(name)s` stands for any value.
"""

from __future__ import annotations

import functools
import re

from stocky.pages.explanations import EXPLANATIONS
from stocky.pages.languages import ENGLISH, Text, _, current

MESSAGES: tuple[Text, ...] = (
    # Of fields.
    _("is required"),
    _("must be a number"),
    _("must be a whole number"),
    _("must not be empty"),
    _("must not be blank"),
    _("must not be blank, nor begin or end with a blank"),
    _("must not begin or end with a space or contain control characters"),
    _("must not contain control characters"),
    _("must have at least %(count)s characters"),
    _("must have at most %(count)s characters"),
    _("must be at least %(bound)s"),
    _("must be at most %(bound)s"),
    _("must be less than %(bound)s"),
    _("must be more than %(bound)s"),
    _("must have at most three decimals, got %(number)s"),
    _("must have at most six decimals, got %(number)s"),
    _("may be %(number)s or %(other)s; write it without %(sign)s"),
    _("must be a code of three capital letters, like EUR"),
    _("%(code)s is not a currency; send its ISO 4217 code, such as EUR or CHF"),
    _("must be between 1970 and now"),
    _("is for what is added"),
    _("needs a quantity that was paid for"),
    _("must be one of %(values)s"),
    _("must be an address like ada@example.org"),
    _("must be an address like https://example.org/bc547, or empty"),
    _("must be made of digits, Latin letters and signs, without blanks, like 4006381333931"),
    _("must be a date like 2026-01-31"),
    _("must be a time like 2026-01-31T12:00:00Z"),
    _("must be a time of day from 00:00 to 23:59"),
    _("must be in the future"),
    _("must not be in the past"),
    _("must not contain a slash between blanks; choose what it is in instead"),
    _("Text may not contain NUL characters"),
    _("The date is too far away; choose another one"),
    # Of accounts.
    _("Incorrect username or password"),
    _("Too many failed sign-ins; try again in %(seconds)s seconds"),
    _("Too many wrong passphrases; try again in %(seconds)s seconds"),
    _("Too many sign-ins at once; try again in a few seconds"),
    _("The current password is wrong"),
    _("The code is wrong; look for it in Stocky's log"),
    _("A user with this username exists already"),
    _("A user with this email exists already"),
    _("There is an admin already; sign in"),
    _("Demo data is only for a database without items"),
    # Of items.
    _("There is no item %(text)s; type its whole name, its code or a barcode"),
    _("There is no location %(text)s; type its whole name or path"),
    _("There is no person %(text)s yet; to add it, choose that in the list of suggestions"),
    _("There is no location %(text)s; members and admins can add it"),
    _("There is no location %(text)s yet; to add it, choose that in the list of suggestions"),
    _("This form was sent before and added %(name)s (%(code)s); change that item instead"),
    _("there is nothing to move: no stock, or all of it is there already"),
    _("there is nothing to move: the rest is lent; return it first"),
    _("choose one of the list"),
    _("choose a list, or name a new one"),
    _("It is counted in %(unit)s"),
    _("%(name)s is no longer in use; choose another location"),
    _("%(name)s still holds stock; take it out or write it off first"),
    _("The barcode %(barcode)s already belongs to %(name)s"),
    _("An item cannot be merged into itself; choose another"),
    _("Choose another one to combine it with"),
    _("there is none of this name"),
    _("It has a name by now, or is hidden already"),
    _("%(name)s was named, merged or hidden in the meantime; nothing was changed"),
    # Of custom fields.
    _("must be a number such as 4.7 or 0.0000047"),
    _("must have at most %(count)s digits"),
    _("must be between %(first)s and %(last)s"),
    _("The type has a field with this name already"),
    _("1 item has a value of %(names)s that would not fit"),
    _("%(count)s items have a value of %(names)s that would not fit"),
    _("1 item has a value of %(names)s; send force=true to remove the values, too"),
    _("%(count)s items have a value of %(names)s; send force=true to remove the values, too"),
    _("choices: a choice needs at least one"),
    _("choices: each must be listed once, whatever its case"),
    _("%(name)s has %(count)s fields already, which is the most"),
    _("%(name)s would have more than %(count)s fields; remove some first"),
    _("%(name)s would have more than %(count)s choices; remove some first"),
    _("The field %(name)s of both types has two kinds or units; rename one of them first"),
    _(
        "More than %(count)s items have a value of %(name)s, so its kind and its choices stay; add another field"
        " instead"
    ),
    # Of alerts.
    _("%(name)s is at or below its minimum of %(number)s"),
    _("%(name)s at %(location)s is below zero: more was removed than was in stock"),
    _("%(name)s at %(location)s belongs in the refrigerator"),
    _("%(name)s at %(location)s belongs in the freezer"),
    _("%(name)s at %(location)s expired on %(day)s"),
    _("%(name)s at %(location)s expires on %(day)s"),
    _("%(name)s at %(location)s was due on %(day)s"),
    # Of notices.
    _("Backup failed"),
    _("Backup not verified"),
    _("Backup too old"),
    _("Job failed"),
    _("Disk nearly full"),
    _("Clock went back"),
    _("Webhook switched off"),
    _("Running low"),
    _("Expires soon"),
    _("Expired"),
    _("Lent and overdue"),
    _("Below zero"),
    _("Wrong location"),
    # Before the next one, which it would match as well.
    _("Notices cannot be sent: %(names)s; see the page of notices"),
    _("%(count)s notices"),
    _("And %(count)s more; the page of alerts has all of them."),
    _("Test notice"),
    _("This is a test of the channel %(name)s. Notices of Stocky arrive here."),
    _("The newest backup does not restore: %(reason)s"),
    _("The last nightly backup failed: %(reason)s"),
    _("The backups cannot be read: %(reason)s. Check the backup directory."),
    _("No backup is test-restored yet, so whether one is good is not known. Test-restore the newest one."),
    _("There is no backup yet. Make one, or turn on the nightly backup."),
    _("The last good backup is of %(day)s. Make a new one."),
    _("Less than 1 GiB is free on the disk of the data. Free some space before backups fail."),
    _("Less than 1 GiB is free on the disk of the backups. Free some space before backups fail."),
    _("The job %(kind)s failed: %(reason)s"),
    _("Webhook %(id)s was disabled: %(problem)s"),
    # Of deliveries of webhooks.
    _("its receiver has accepted nothing since %(moment)s UTC; it %(problem)s"),
    _("its receiver %(problem)s"),
    _("got no message: it cannot be signed (%(reason)s); rotate the secret"),
    _("was not reached: internal error (%(reason)s); see the log"),
    _(
        "was not contacted: the trusted certificates cannot be read (%(reason)s; check SSL_CERT_FILE and SSL_CERT_DIR"
        " if they are set)"
    ),
    _("did not answer within %(seconds)s seconds"),
    _("cannot be reached: the name %(host)s cannot be resolved"),
    _("cannot be reached (%(reason)s)"),
    _("answered %(status)s: redirects are not followed; set the url to the redirect's target"),
    _("answered 410: it accepts no more messages"),
    # Behind the others that it would match as well.
    _("answered %(status)s"),
    _(
        "%(host)s is a private address; webhooks are sent to public addresses only. To allow it, set"
        " STOCKY_WEBHOOKS_TO_PRIVATE=true and restart Stocky"
    ),
    _(
        "%(host)s has the private address %(address)s; webhooks are sent to public addresses only. To allow it, set"
        " STOCKY_WEBHOOKS_TO_PRIVATE=true and restart Stocky"
    ),
    _("%(host)s is an address to which webhooks are never sent"),
    _("%(host)s has the address %(address)s to which webhooks are never sent"),
    _(
        "The clock of this server went back: something was recorded at %(then)s UTC, but now it is %(now)s UTC. Check"
        " the clock (NTP)"
    ),
    _("E-mail is not set up: set STOCKY_SMTP_HOST and STOCKY_SMTP_FROM, and restart Stocky"),
    _("The package apprise is not installed; install Stocky with the extra 'notices' (pip install apprise)"),
    _("there are no recipients; set some"),
    _("the mail server %(server)s refused the user or password: %(reason)s"),
    _("the mail server %(server)s refused the sender %(sender)s: %(reason)s"),
    _("the mail server %(server)s refused %(reason)s"),
    _("the mail server %(server)s answered %(reason)s"),
    _("the mail server %(server)s cannot encrypt: %(reason)s Check STOCKY_SMTP_SECURITY and STOCKY_SMTP_PORT"),
    _("the mail server %(server)s cannot be reached: %(reason)s"),
    _("the mail server %(server)s did not answer within %(seconds)s seconds"),
    _("the service did not answer within %(seconds)s seconds"),
    _("the message was not accepted; %(reason)s"),
    _("the message was not accepted"),
    _("this is no address of a service; compare it with the documentation of apprise"),
    _("this address has %(count)s targets; add a channel for each of them"),
    _("the parameter %(name)s is not allowed, since it names a file of this server; remove it"),
    _("There are %(count)s channels of notices already; delete one that is no longer needed"),
    _("send either recipients, for e-mail, or the url of a service"),
    _("must be addresses like ada@example.org, without names and brackets"),
    _("quiet hours have a begin and an end; set both or none"),
    _("must differ from quiet_from"),
    # Of assistance.
    _("Assistance is off: set STOCKY_AI_API_KEY and STOCKY_AI_MODEL, and restart Stocky"),
    _(
        "Assistance is off although STOCKY_AI_API_KEY is set: it needs openai 3, which is not installed; run 'pip"
        " install --upgrade openai'"
    ),
    _("There is no type %(name)s any more; reject the suggestion"),
    _("The suggestion %(text)s was accepted before; nothing was changed"),
    _("The suggestion %(text)s was rejected before; nothing was changed"),
    _("%(name)s has %(count)s tags, the most of an item; remove one, or reject the suggestion"),
    # Before the next one, which it would match as well.
    _("The location %(id)s is no longer in use; make it active again first"),
    _("%(name)s is no longer in use; make it active again first"),
    _("The item was changed since you read it (version %(version)s now); read it again and repeat"),
    _(
        "The model's answer is not the JSON that was asked for, so nothing was stored; ask again, or set"
        " STOCKY_AI_MODEL to another model"
    ),
    _(
        "The model was asked as often today as the settings allow (%(requests)s requests and %(tokens)s tokens); ask"
        " again from 00:00 UTC, or raise STOCKY_AI_DAILY_REQUESTS or STOCKY_AI_DAILY_TOKENS"
    ),
    _("The model's server %(server)s did not answer within %(seconds)s seconds (STOCKY_AI_TIMEOUT)"),
    _("The model's server %(server)s cannot be reached%(reason)s; check that it runs, and STOCKY_AI_BASE_URL"),
    _("The model's server %(server)s refuses the key%(reason)s; check STOCKY_AI_API_KEY"),
    _(
        "The model's server %(server)s does not know the model or the path%(reason)s; check STOCKY_AI_MODEL and"
        " STOCKY_AI_BASE_URL"
    ),
    _("The model's server %(server)s accepts no more requests now, wait %(seconds)s seconds (%(reason)s)"),
    _("The model's server %(server)s accepts no more requests now (%(reason)s)"),
    _("The model's server %(server)s sent no answer of the protocol (the answer is empty)"),
    _("The model's server %(server)s sent no answer of the protocol"),
    _("The model's server %(server)s sent more than an answer can need"),
    _(
        "The model's server %(server)s was not asked: the trusted certificates cannot be read (%(reason)s; check"
        " SSL_CERT_FILE and SSL_CERT_DIR if they are set)"
    ),
    _(
        "The model's server %(server)s answered %(status)s: redirects are not followed; set STOCKY_AI_BASE_URL to the"
        " redirect's target"
    ),
    # Behind the others of the server, some of which it would match as well.
    _("The model's server %(server)s answered %(status)s"),
    _("The model's answer could not be read (%(reason)s)"),
    _(
        "The datasheet was not fetched: %(host)s is a private address; datasheets are fetched from public addresses"
        " only. To allow it, set STOCKY_WEBHOOKS_TO_PRIVATE=true and restart Stocky"
    ),
    _("The datasheet was not fetched: its server answered %(status)s; try again later, or reject it"),
    _(
        "The datasheet was not fetched: %(host)s has the private address %(address)s; datasheets are fetched from"
        " public addresses only. To allow it, set STOCKY_WEBHOOKS_TO_PRIVATE=true and restart Stocky"
    ),
    _("The datasheet was not fetched: %(host)s is an address from which datasheets are never fetched"),
    _("The datasheet was not fetched: %(host)s has the address %(address)s from which datasheets are never fetched"),
    _("The datasheet was not fetched: its server answered %(status)s; reject the suggestion"),
    _("The datasheet was not fetched: its server does not exist; reject the suggestion"),
    _("The datasheet was not fetched: its server cannot be reached (%(reason)s); try again later, or reject it"),
    _("The datasheet was not fetched: the name of its server cannot be resolved; try again later, or reject it"),
    _("The datasheet was not fetched: it was not complete within %(seconds)s seconds; try again later, or reject it"),
    _(
        "The datasheet was not fetched: the trusted certificates cannot be read (%(reason)s; check SSL_CERT_FILE and"
        " SSL_CERT_DIR if they are set); try again later, or reject it"
    ),
    _("The datasheet was not fetched: it redirects to something other than http and https"),
    _("The datasheet was not fetched: it redirects more than %(count)s times"),
    _("The datasheet was not stored: it is larger than %(size)s MiB"),
    _("The datasheet was not stored: it is compressed and not a PDF"),
    _("The datasheet was not stored: its content is not a PDF"),
    _("The datasheet was not stored: it is %(type)s and not a PDF"),
    _("The PDF is damaged: its end is missing"),
    _("The file has other data after the PDF; open it and save it again without that"),
    _("The file is also a ZIP file; send a file of one format"),
    _("The suggestion was decided meanwhile, so its datasheet was not stored"),
    _("Access denied. %(name)s, who accepted the datasheet, may no longer add documents"),
    # Of backups.
    _("Full restore completed: %(rows)s rows in %(tables)s tables. The previous data is in %(file)s."),
    _("The backup is complete and can be restored."),
    _("The backup is empty"),
    _("The passphrase does not open this backup; use the one that it was encrypted with. Nothing was changed"),
    _(
        "STOCKY_BACKUP_IDENTITY does not open this backup, which is encrypted for other recipients; set an identity of"
        " one of them. Nothing was changed"
    ),
    _("The encrypted backup is damaged or truncated. Download or copy it again, or use another backup"),
    _("This backup is encrypted, and %(reason)s"),
    _(
        "STOCKY_BACKUP_PASSPHRASE is not set; upload the file with its passphrase, or restore it on the command line"
        " with --passphrase-file"
    ),
    _("STOCKY_BACKUP_IDENTITY is not set; set it to an identity that the backup is encrypted for"),
    _(
        "This is not the passphrase that backups are encrypted with. If it is lost, read it from"
        " STOCKY_BACKUP_PASSPHRASE on the server, or set a new one there, restart, and make a new backup: only the old"
        " one opens older backups"
    ),
    _(
        "Type the passphrase of the backups on the page Backups, to show that it is not lost: without it, no backup can"
        " be restored on a new machine"
    ),
    _("Type restore to confirm the restore"),
    _("Another restore is running; wait until it ends"),
    _("Rows can be added from a dump only, not from an archive"),
    _("%(name)s is not named like a backup (%(names)s); choose one made by Stocky"),
    _("Invalid gzip file: it is neither gzip nor SQL text of a backup"),
    _("Invalid gzip file: it is truncated. Create or download it again"),
    _("Invalid gzip file: it is damaged (%(reason)s). Create or download it again"),
    _("Invalid gzip file: it is packed more than %(count)s times; unpack it with 'gunzip'"),
    _("Invalid gzip file: %(problem)s"),
    _("The backup is not SQL text: it contains NUL characters"),
    _("The backup is not SQL text: it is not in UTF-8. If an editor saved it in another encoding, save it as UTF-8"),
    _("The backup is not SQL text: %(problem)s"),
    _("it is a zip file; restore a Stocky archive directly, not inside another file"),
    _("it is packed with 7-Zip; unpack it"),
    _("it is packed with RAR; unpack it"),
    _("it is packed with %(name)s; unpack it with %(command)s"),
    _("it is encrypted with age; decrypt it with 'age -d'"),
    _("it is a gzip file in base64; decode it with 'base64 -d'"),
    _("an editor saved it as UTF-16; save it as UTF-8"),
    _("a program treated the gzip file as text and replaced bytes; download it again as a file"),
    _("it is a web page; an error message was saved instead of the backup. Download it again"),
    _("it is JSON; an error message was saved instead of the backup. Download it again"),
    _("Its first lines are missing"),
    _("This is not a Stocky backup. %(problem)s"),
    _("The backup is truncated: its last line is missing. Create or download it again"),
    _(
        "The backup is damaged: its text does not match the checksum in its last line. Use an undamaged copy. The"
        " first fault: %(problem)s"
    ),
    _(
        "The backup is damaged: its text does not match the checksum in its last line%(rest)s. Use an undamaged"
        " copy. For a backup that you edited on purpose, repeat it with accept_edited=true (--accept-edited)"
    ),
    _(
        "The backup is damaged: its text does not match the checksum in its last line. Use an undamaged copy. For a"
        " backup that you edited on purpose, repeat it with accept_edited=true (--accept-edited)"
    ),
    _("The backup is damaged: something follows its last line"),
    _("The backup is damaged: the rows of %(table)s do not match its last line (%(count)s read, %(other)s written)"),
    _("The backup is damaged: %(problem)s"),
    _("The backup cannot be restored: %(reason)s"),
    _("The backup unpacks to far more bytes than text would; it was not made by Stocky"),
    _("Backup file is corrupted: %(reason)s"),
    _("The database file is damaged, or not Stocky's: %(reason)s"),
    _("The database file is damaged: %(reason)s. Restore a backup instead"),
    _("The file is a SQLite database, but not Stocky's: no migration was applied to it"),
    _("Statement %(number)s of the backup is rejected: %(reason)s"),
    _("%(file)s is an increment, and the backup that it continues is missing"),
    _("It continues %(file)s, which does not restore"),
    _("%(file)s is damaged: its SHA-256 is not the one it was made with"),
    _("%(table)s: %(count)s of %(total)s rows restored, or with different content"),
    _("interrupted: Stocky was stopped while the job was running"),
    _("interrupted: the process of the job has ended"),
    _("cancelled by %(name)s"),
    _("cancelled"),
    _("Job %(id)s cannot be cancelled now: stopping it would leave its work half done. Wait until it ends"),
    _("Job %(id)s cannot be cancelled now: it is changing the data now. Wait until it ends"),
    _(
        "Job %(id)s cannot be cancelled now: it was interrupted while it may have changed the data, and is completed."
        " Wait until it ends"
    ),
    _("Job %(id)s cannot be cancelled now: it is ending"),
    _("Job %(id)s has ended; it is %(state)s"),
    _("Job %(id)s is %(state)s; only a job that failed or was cancelled can be run again"),
    _("Job %(id)s was run again already; it is %(state)s"),
    _("Job %(id)s is %(state)s; only a failed job can be dismissed"),
    _("Jobs of the kind %(kind)s cannot be run again; start a new one"),
    _("The uploaded file is not stored any more; import it again"),
    _("Internal error; see the log"),
    _("The job ended, but its result could not be stored; see the log"),
    _("Backups are not copied off site: %(reason)s"),
    _("%(path)s does not exist; mount the share and create the directory on it, or correct STOCKY_OFFSITE_URL"),
    _("At most %(count)s labels are printed at once"),
    # Of the rules for labels of scales.
    _("must be 2 or 02, perhaps with further digits behind it"),
    _(
        "prefix, item digits, measure digits and price check digit are %(count)s digits; together they must be 12,"
        " since the 13th is the check digit"
    ),
    _("must be behind the prefix, from %(first)s to 12; the first digit is 1"),
    _("a count is whole; set it to 1"),
    _("There is a rule for this prefix already; change that one"),
    _("choose a country"),
    # Of requests.
    _("Access denied. This requires the role %(roles)s; yours is %(role)s"),
    _("Access denied. The request has no valid token of this session; load the page again and repeat it"),
    _("Access denied. The request was made by a page of another site"),
    _("The data has just been restored from a backup; send it again"),
    _("Not enough disk space; nothing was changed. Free some and try again"),
    _("Something went wrong inside Stocky. The log has it under request id %(id)s"),
    # Of imports.
    _("Choose the order of the dates: %(samples)s"),
    _("Some barcodes may lack a leading zero: %(samples)s"),
    _("No column holds a location; name the location of all rows"),
    _("Choose the project that needs the parts, or name a new one"),
    _("%(problem)s (and %(count)s more)"),
    _("%(text)s is a barcode that a spreadsheet shortened; format its column as text"),
    _(
        "%(text)s is a barcode that a spreadsheet wrote as a number, and the check digit of %(number)s is wrong;"
        " format its column as text"
    ),
    _("%(text)s is a command for a scanner, not a barcode"),
    _("%(text)s is not a barcode"),
    _("The barcode is blank"),
    _("The barcode %(barcode)s is listed twice"),
    _("The pack quantity of %(barcode)s must be more than 0"),
    _("There are %(number)s barcodes; an item has %(bound)s at most"),
    _("There are %(number)s tags; an item has %(bound)s at most"),
    _("%(text)s is too long for a tag; separate tags with ;"),
    _("It has %(number)s characters; the maximum is %(bound)s"),
    _("%(text)s is not an item code of four letters"),
    _("%(text)s is not a link that begins with https://"),
    _("%(text)s is not a name"),
    _("%(text)s is not a unit; remove characters that are not text"),
    _("%(text)s is not the number of a lot; remove characters that are not text"),
    _("%(text)s is not a serial number; remove characters that are not text"),
    _("A minimum is at least 0"),
    _("A reorder quantity is more than 0"),
    _("%(text)s is not a whole number from 1"),
    _("%(text)s is not a number"),
    _("%(number)s has more than three decimals"),
    _("%(number)s has more than six decimals"),
    _("%(number)s is too large; a quantity is at most %(bound)s"),
    _("%(number)s is too large; a price is at most %(bound)s"),
    _("%(text)s is not a price: a number, with its currency and with /kg or per kg, if any"),
    _("%(text)s is not a price"),
    _("A price is at least 0"),
    _("%(text)s may be %(number)s (decimal=%(mark)s) or %(other)s (decimal=%(second)s); set decimal"),
    _("%(number)s days are more than %(bound)s"),
    _("%(text)s is not one of %(values)s"),
    _("%(text)s is not a date; write it as 2026-12-31"),
    _("%(text)s is not a date in the order %(samples)s"),
    _("%(text)s is a date in an order that is not known; set %(names)s"),
    _("Several items have the name %(text)s; name it by code or barcode"),
    _("Several items have the maker's part number %(text)s; name it by code or barcode"),
    _("%(count)s items have the name %(text)s; use code or barcode"),
    _("%(count)s items have the maker's part number %(text)s; use code or barcode"),
    _("Row %(number)s counts the same stock; add up the two, or use stock=add"),
    _("Row %(number)s has the piece with the serial number %(serial)s already"),
    _("Row %(number)s is about the same item with another value; change it there"),
    _("Row %(number)s gives the barcode %(barcode)s to another item"),
    _("Row %(number)s gives the barcode %(barcode)s to another part"),
    _("With the rows before it the quantity is too large"),
    _("The row has no name and no part number, and no item has its code or barcode"),
    _("No item has its part number, barcode, code or name; unmatched=create adds one, unmatched=text the name"),
    _("The row names no item: code, barcode, name and manufacturer_code are empty"),
    _("The row names no item: %(name)s is empty"),
    _("No such item exists, and a new item needs a name"),
    _("Stock cannot be set below 0; book a removal instead"),
    _("The price is that of one %(unit)s, and the stock is counted in %(other)s"),
    _("The stock there is counted in %(unit)s; %(other)s cannot be converted to it"),
    _("There is no location %(number)s in box %(box)s; create the box first"),
    _("There is no location %(text)s, and create_locations is false"),
    _("%(text)s is not a path: each name in it has 1 to 200 characters"),
    _("The barcode %(barcode)s belongs to %(name)s"),
    _("The file is empty; its first row has to name the columns"),
    _("The first row has to name the columns; is this a CSV file, and in which encoding?"),
    _("The file is neither UTF-8 nor in another known encoding; save the table as CSV (UTF-8)"),
    _("The quotation mark opened in line %(number)s is never closed"),
    # Of loans.
    _("%(name)s was returned already: nothing of this loan is at %(person)s"),
    _("Only %(number)s of this loan of %(name)s is at %(person)s; %(wanted)s cannot be returned"),
    _("Nothing says where it came from; name the location to bring it to"),
    _("%(path)s is no longer in use; name the location to bring it to"),
    _("%(path)s is a place; lend to a location of the kind person, or move the stock"),
    _("%(path)s is a person, so this is no return; lend it to them instead, or name a place"),
    _("%(path)s is a person; choose a place to put it in"),
    _("%(name)s belongs to box %(number)s, so it cannot be a person"),
    _("%(name)s holds stock; move it somewhere else, then change the kind"),
    _("Other locations are in %(path)s: %(names)s. Move them out, then change the kind"),
    # Of locations, lists and projects.
    _("It is there already; choose another location"),
    _("Something was booked here since the page was loaded; look again, then book it"),
    _("There is nothing to move in %(name)s"),
    _("Nothing was moved: %(names)s is below zero in %(location)s; count it first"),
    _("%(name)s still holds stock; move it somewhere else first"),
    _("Locations to be removed hold stock: %(names)s. Move the stock somewhere else first"),
    _(
        "An active location has this name in the same place already, perhaps with other case or blanks; choose another"
        " name"
    ),
    _("%(text)s names %(number)s locations: %(paths)s; use the path of one of them"),
    _("%(path)s cannot be put in itself; choose another location"),
    _("%(path)s cannot be put in a location that is in it; move that one out first"),
    _("%(path)s is hidden; show it first, or choose another location to put it in"),
    _("Other locations are in %(path)s: %(names)s. Move or hide them first"),
    _("Other locations are in what is to be removed: %(names)s. Move or hide them first"),
    _("%(name)s is a place of box %(number)s and stays in it; move the box instead"),
    _("A location has the path %(path)s already; give the box another name"),
    _("This item is on the list already; change its quantity instead"),
    _("This text is on the list already; change its quantity instead"),
    _("The project needs this item already; change its quantity instead"),
    _("The project needs this already; change its quantity instead"),
    _("must be more than 0; delete the entry instead"),
    # Of stock, with its lots and serial numbers.
    _(
        "Only %(amount)s of %(name)s (lot %(lot)s, serial number %(serial)s) in stock; %(wanted)s requested;"
        " %(rest)s elsewhere"
    ),
    _("Only %(amount)s of %(name)s (lot %(lot)s) in stock; %(wanted)s requested; %(rest)s elsewhere"),
    _("Only %(amount)s of %(name)s (serial number %(serial)s) in stock; %(wanted)s requested; %(rest)s elsewhere"),
    _("Only %(amount)s of %(name)s in stock; %(wanted)s requested; %(rest)s elsewhere"),
    _("Only %(amount)s of %(name)s (lot %(lot)s, serial number %(serial)s) in stock; %(wanted)s requested"),
    _("Only %(amount)s of %(name)s (lot %(lot)s) in stock; %(wanted)s requested"),
    _("Only %(amount)s of %(name)s (serial number %(serial)s) in stock; %(wanted)s requested"),
    _("Only %(amount)s of %(name)s in stock; %(wanted)s requested"),
    _("No %(name)s in stock to take"),
    _("Name the location: %(name)s is at no location yet"),
    _("Name the location: all of %(name)s is lent"),
    _("Choose where it goes"),
    _("All of %(name)s is at that location already"),
    _("Name the location: %(name)s is at %(count)s locations"),
    _(
        "Several lots of the item are at this location; name the counted lot by the fields expiry_date, lot and serial"
        " of POST /events"
    ),
    _("%(name)s, serial number %(serial)s, is in stock at another place already; move it from there instead"),
    _("%(name)s, serial number %(serial)s, is in stock already"),
    _("%(name)s, serial number %(serial)s, is one piece, and would be %(number)s; book it alone, with the quantity 1"),
    _("A serial number names one piece, and the SKU has %(number)s %(unit)s; take one piece of it first"),
    _("A serial number names one piece, and %(name)s is counted in %(unit)s there; send the unit piece"),
    _("A serial number names one piece, which is not counted in %(unit)s"),
    _("A serial number names one piece: there would be %(number)s of it"),
    _("The serial number %(serial)s of the item is in stock already"),
    _("The piece with the serial number %(serial)s is in stock at another place already"),
    _("looks like a date and is none; if it is the lot's number, send expiry_date, too"),
    _("SKU %(id)s of %(name)s is opened already"),
    _("%(name)s holds more than %(count)s lots; move some of them at a time"),
    _("This scan is not recorded any more, since a backup was restored; nothing was undone"),
    # Warnings of scans.
    _("%(code)s was probably misread: its check digit is %(digit)s and should be %(right)s. Scan it again"),
    _("Less was in stock than requested; all of it was taken"),
    _(
        "Part of the label could not be read with certainty, because the scanner sends no FNC1; switch on FNC1"
        " (GS, ASCII 29) in the scanner's settings"
    ),
    # Notes of the ledger that Stocky writes itself.
    _("import, row %(number)s"),
    _("import rolled back"),
    _("stock-take"),
    _("taken back"),
    _("written off"),
    _("scanned by mistake"),
    _("Reorganisation plan %(number)s"),
    _("%(name)s merged into %(other)s"),
    _("Merge of %(name)s undone"),
    *EXPLANATIONS,
)

# What the samples in the questions about an import say.
_SAMPLES: tuple[Text, ...] = (
    _("%(text)s is %(value)s"),
    _("day, month, year"),
    _("month, day, year"),
    _("year, month, day"),
)
# The states of jobs, as messages about them name them.
_STATES: tuple[Text, ...] = (_("queued"), _("running"), _("done"), _("failed"), _("cancelled"))


def message(english: str) -> str:
    """A message of the API in the language of the page."""
    return english if current.get() == ENGLISH else _translated(english, MESSAGES)


def translate(language: str, english: str) -> str:
    """A message of the API in a language, for what is sent to people elsewhere."""
    token = current.set(language)
    try:
        return message(english)
    finally:
        current.reset(token)


def _translated(english: str, texts: tuple[Text, ...]) -> str:
    for pattern, text in _patterns(texts):
        if found := pattern.fullmatch(english):
            values = found.groupdict()
            if "samples" in values:
                values["samples"] = "; ".join(_translated(each, _SAMPLES) for each in values["samples"].split("; "))
            for inner in {"problem", "why"} & values.keys():
                values[inner] = _translated(values[inner], MESSAGES)
            if "state" in values:
                values["state"] = _translated(values["state"], _STATES)
            return str(text.with_values(values))
    return english


@functools.cache
def _patterns(texts: tuple[Text, ...]) -> list[tuple[re.Pattern[str], Text]]:
    return [(_pattern(text.message), text) for text in texts]


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", text)
    return re.compile("".join(f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)))
