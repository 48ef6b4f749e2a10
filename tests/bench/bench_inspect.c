/* bench_inspect: CPU time of one message through an inspector, step by step:
   pre-scan, parse, filters, contacts. Without arguments two messages of 6 KiB
   as a mail program writes them (plain; plain and HTML); else the files. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "filters/contacts.h"
#include "filters/filter.h"
#include "inspect/inspect.h"
#include "message/mime_scan.h"

#define ROUNDS 2000
/* The least of so many runs: the machine is shared. */
#define RUNS 5

enum step { STEP_SCAN, STEP_PARSE, STEP_FILTERS, STEP_ALL, STEP_COUNT };

static const char *const step_names[] = { "pre-scan", "and parse",
					  "and filters", "and contacts" };

static struct domain_set domains;

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void do_step(enum step step, struct span bytes,
		    const struct message_origin *origin)
{
	struct inspect_answer answer;
	struct mime_scan scan;
	struct message *msg;

	switch (step) {
	case STEP_SCAN:
		mime_scan(bytes, &scan, NULL);
		break;
	case STEP_PARSE:
	case STEP_FILTERS:
		msg = message_create(bytes, NULL);
		if (msg != NULL && step == STEP_FILTERS) {
			filters_skip_reason(msg, origin, NULL);
		}
		message_destroy(&msg);
		break;
	default:
		inspect_message(origin, bytes, &answer);
		inspect_answer_finish(&answer);
		break;
	}
}

static double measure(enum step step, struct span bytes,
		      const struct message_origin *origin)
{
	double least = 0;

	for (int run = 0; run < RUNS; run++) {
		double begin = cpu_us();
		double each;

		for (int i = 0; i < ROUNDS / RUNS; i++) {
			do_step(step, bytes, origin);
		}
		each = (cpu_us() - begin) / (ROUNDS / RUNS);
		if (run == 0 || each < least) {
			least = each;
		}
	}
	return least;
}

static void bench(const char *name, struct span bytes)
{
	struct message_origin origin = { .mailbox = SPAN("sales1@acme.com"),
					 .folder = FOLDER_INBOX,
					 .own_domains = &domains,
					 .region = SPAN("DE") };
	struct inspect_answer answer;

	inspect_message(&origin, bytes, &answer);
	printf("%s: %zu bytes, %s, %zu contacts\n", name, bytes.len,
	       skip_reason_name(answer.reason), answer.contacts.count);
	inspect_answer_finish(&answer);
	for (int step = 0; step < STEP_COUNT; step++) {
		printf("  %-14s %8.1f us\n", step_names[step],
		       measure((enum step)step, bytes, &origin));
	}
}

/* A day's ordinary mail. */

static void put_header(struct strbuf *out)
{
	for (int i = 0; i < 4; i++) {
		strbuf_addf(out,
			    "Received: from mx%d.lieferant.example "
			    "(mx%d.lieferant.example [192.0.2.%d])\r\n"
			    "\tby mail.acme.com (Postfix) with ESMTPS id "
			    "4XyZ%d\r\n\tfor <sales1@acme.com>; "
			    "Mon,  1 Jun 2026 10:00:0%d +0200 (CEST)\r\n",
			    i, i, i, i, i);
	}
	strbuf_add_str(
		out,
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
		" d=lieferant.example; s=mail; t=1780300800;\r\n"
		" h=from:to:subject:date:message-id:mime-version;\r\n"
		" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
		" b=dGhpcyBpcyBub3QgYSByZWFsIHNpZ25hdHVyZSBidXQgaXQgaXMg\r\n"
		" YXMgbG9uZyBhcyBvbmUgdXN1YWxseSBpcywgc28gaGVyZSBpdCBpcw==\r\n"
		"Authentication-Results: mail.acme.com; dkim=pass\r\n"
		" header.d=lieferant.example; spf=pass\r\n"
		"From: =?utf-8?Q?Anna_M=C3=BCller?= "
		"<anna.mueller@lieferant.example>\r\n"
		"To: Sales One <sales1@acme.com>, \"Stein, Judith\"\r\n"
		" <judith.stein@kanzlei-stein.example>\r\n"
		"Cc: Otto Lenz <otto.lenz@lieferant.example>\r\n"
		"Subject: =?utf-8?Q?R=C3=BCckfrage_zum_Angebot?= 2026-118\r\n"
		"Date: Mon, 1 Jun 2026 10:00:00 +0200\r\n"
		"Message-ID: <5f1ce2b1-3b0e-49a1@lieferant.example>\r\n"
		"In-Reply-To: <angebot-118@acme.com>\r\n"
		"References: <angebot-117@acme.com> <angebot-118@acme.com>\r\n"
		"User-Agent: Mozilla Thunderbird\r\n"
		"X-Spam-Status: No, score=-1.9 required=5.0\r\n"
		"Content-Language: de-DE\r\n"
		"MIME-Version: 1.0\r\n");
}

static const char *const signature[] = {
	"-- ",
	"Anna M\xc3\xbcller",
	"Leiterin Einkauf",
	"Lieferant GmbH",
	"Hauptstr. 1, 80331 M\xc3\xbcnchen",
	"Tel.: +49 89 20300-123",
	"Mobil: +49 171 3920031",
	"https://www.lieferant.example",
};

static void put_text(struct strbuf *out, size_t until, const char *line_end)
{
	while (out->len < until) {
		strbuf_addf(out,
			    "vielen Dank f\xc3\xbcr das Angebot. Die Menge "
			    "passt, nur der Termin%s"
			    "ist noch offen: Wann k\xc3\xb6nnen Sie liefern, "
			    "und wohin?%s%s",
			    line_end, line_end, line_end);
	}
	for (size_t i = 0; i < N_ELEMENTS(signature); i++) {
		strbuf_addf(out, "%s%s", signature[i], line_end);
	}
}

static void build_plain(struct strbuf *out)
{
	put_header(out);
	strbuf_add_str(out, "Content-Type: text/plain; charset=utf-8\r\n"
			    "Content-Transfer-Encoding: 8bit\r\n\r\n"
			    "Hallo Frau Falk,\r\n\r\n");
	put_text(out, 5800, "\r\n");
}

static void build_alternative(struct strbuf *out)
{
	put_header(out);
	strbuf_add_str(out,
		       "Content-Type: multipart/alternative; boundary=b1\r\n"
		       "\r\n--b1\r\n"
		       "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		       "Hallo Frau Falk,\r\n\r\n");
	put_text(out, 3200, "\r\n");
	strbuf_add_str(out, "--b1\r\nContent-Type: text/html; charset=utf-8"
			    "\r\n\r\n<html><head><style>p{margin:0}</style>"
			    "</head><body><p>Hallo Frau Falk,</p>\r\n");
	put_text(out, 5700, "<br>\r\n");
	strbuf_add_str(out, "</body></html>\r\n--b1--\r\n");
}

static int read_file(const char *path, struct strbuf *out)
{
	FILE *file = fopen(path, "rb");
	size_t n;

	if (file == NULL) {
		perror(path);
		return -1;
	}
	while ((n = fread(strbuf_reserve(out, 4096), 1, 4096, file)) > 0) {
		out->len += n;
	}
	fclose(file);
	return 0;
}

int main(int argc, char **argv)
{
	struct strbuf text = STRBUF_INIT(INSPECT_MAX_MESSAGE * 4);
	struct error err;

	if (inspect_warm_up(&err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	domain_set_add(&domains, SPAN("acme.com"));
	if (argc == 1) {
		build_plain(&text);
		bench("plain", strbuf_span(&text));
		strbuf_clear(&text);
		build_alternative(&text);
		bench("plain and HTML", strbuf_span(&text));
	}
	for (int i = 1; i < argc; i++) {
		strbuf_clear(&text);
		if (read_file(argv[i], &text) < 0) {
			return 1;
		}
		bench(argv[i], strbuf_span(&text));
	}
	strbuf_finish(&text);
	domain_set_finish(&domains);
	return 0;
}
