/* inspect: one message from bytes to what it teaches. Knows no process and no
   frame. */
#include "inspect/inspect.h"

#include "filters/contacts.h"
#include "message/html_text.h"
#include "message/message.h"

/* The mailbox's own mail is outgoing wherever it lies. */
static enum message_direction direction_of(const struct message *msg,
					   const struct message_origin *origin)
{
	size_t count;
	const struct address *from =
		message_addresses(msg, MESSAGE_FROM, &count);

	if (origin->direction == MESSAGE_INCOMING && count == 1 &&
	    span_ieq(from->email, origin->mailbox)) {
		return MESSAGE_OUTGOING;
	}
	return origin->direction;
}

static void copy_message_id(const struct message *msg, char *out)
{
	struct span id = message_id(msg);

	/* A longer one is no Message-ID; without any, the pipeline falls back
	   on the digest of the bytes. */
	if (id.len <= INSPECT_MAX_MESSAGE_ID) {
		memcpy(out, id.ptr, id.len);
		out[id.len] = '\0';
	}
}

void inspect_message(const struct message_origin *origin, struct span bytes,
		     struct inspect_answer *answer_r)
{
	struct message_origin adjusted = *origin;
	struct error err = { .text = "" };
	struct message *msg = message_create(bytes, &err);

	*answer_r = (struct inspect_answer){ .reason = SKIP_UNREADABLE,
					     .direction = origin->direction };
	if (msg == NULL) {
		memcpy(answer_r->note.text, err.text,
		       sizeof(answer_r->note.text) - 1);
		return;
	}
	adjusted.direction = direction_of(msg, origin);
	answer_r->direction = adjusted.direction;
	answer_r->date = message_date(msg);
	copy_message_id(msg, answer_r->message_id);
	answer_r->reason = filters_skip_reason(msg, &adjusted, &answer_r->note);
	if (answer_r->reason == SKIP_NONE) {
		contacts_extract(msg, &adjusted, &answer_r->contacts);
	}
	message_destroy(&msg);
}

/* Words in several scripts, numbers of several countries, a card, an
   invitation and HTML: each makes some library load its tables. */
static const char sample_text[] =
	"From: =?utf-8?Q?J=C3=BCrgen_Gro=C3=9F?= <j.gross@warmup.example>\r\n"
	"To: =?iso-2022-jp?B?GyRCRURDZhsoQg==?= <t@m\xc3\xbcller.example>,\r\n"
	" =?koi8-r?B?6dfBzg==?= <ivan@warmup.example>\r\n"
	"Subject: Warm-up\r\n"
	"Date: Mon, 1 Jun 2026 10:00:00 +0200\r\n"
	"Message-ID: <1@warmup.example>\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=a\r\n"
	"\r\n"
	"--a\r\n"
	"Content-Type: text/plain; charset=utf-8\r\n"
	"\r\n"
	"Hello,\r\n"
	"\r\n"
	"see you tomorrow.\r\n"
	"\r\n"
	"Kind regards\r\n"
	"\r\n"
	"-- \r\n"
	"J\xc3\xbcrgen Gro\xc3\x9f\r\n"
	"Leiter Einkauf\r\n"
	"Warmup GmbH\r\n"
	"Hauptstra\xc3\x9f"
	"e 1, 80331 M\xc3\xbcnchen\r\n"
	"Tel.: +49 89 20300-123\r\n"
	"Mobil: 0171 3920031\r\n"
	"Fax: +1 212 555 0123\r\n"
	"https://www.warmup.example\r\n"
	"--a\r\n"
	"Content-Type: text/vcard\r\n"
	"\r\n"
	"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna Weber\r\n"
	"EMAIL:anna@card.example\r\nTEL;TYPE=WORK:+33 1 42 68 53 00\r\n"
	"END:VCARD\r\n"
	"--a\r\n"
	"Content-Type: text/calendar; method=REQUEST\r\n"
	"\r\n"
	"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
	"ORGANIZER;CN=Eva Stern:mailto:eva@calendar.example\r\n"
	"ATTENDEE;CN=Otto:mailto:otto@calendar.example\r\n"
	"END:VEVENT\r\nEND:VCALENDAR\r\n"
	"--a--\r\n";

static const char sample_html[] =
	"From: Marie Dupont <marie@warmup.example>\r\n"
	"To: a@warmup2.example\r\n"
	"Content-Type: text/html; charset=iso-8859-1\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n"
	"\r\n"
	"<html><body><p>Bonjour &eacute;t=E9</p><div class=\"gmail_signature\">"
	"Marie Dupont<br>Directrice<br>Warmup SARL<br>"
	"T&eacute;l. 01 42 68 53 00<br>+44 20 7946 0958<br>+81 3 3224 9999"
	"<br>+55 11 3071 0000<br>+48 22 625 70 00</div></body></html>\r\n";

int inspect_warm_up(struct error *err_r)
{
	static const struct {
		struct span bytes;
		const char *region;
	} samples[] = {
		{ { sample_text, sizeof(sample_text) - 1 }, "DE" },
		{ { sample_html, sizeof(sample_html) - 1 }, "FR" },
	};
	struct domain_set domains = { 0 };
	int result = 0;

	message_warm_up();
	domain_set_add(&domains, SPAN("own.example"));
	for (size_t i = 0; i < N_ELEMENTS(samples); i++) {
		struct message_origin origin = {
			.mailbox = SPAN("me@own.example"),
			.folder = FOLDER_INBOX,
			.own_domains = &domains,
			.region = span_str(samples[i].region),
		};
		struct inspect_answer answer;

		inspect_message(&origin, samples[i].bytes, &answer);
		if (answer.reason != SKIP_NONE || answer.contacts.count == 0) {
			result =
				error_set(err_r, "warm-up message %zu: %s (%s)",
					  i, skip_reason_name(answer.reason),
					  answer.note.text);
		}
		inspect_answer_finish(&answer);
	}
	domain_set_finish(&domains);
	return result;
}
