/* provider_presets: one row per provider we know. */
#include "config/provider_presets.h"

#include <stdlib.h>

#include "lib/xalloc.h"

struct preset {
	const char *name;
	const char *imap_host;
	const char *smtp_host;
	/* Used with smtp_host only. */
	enum tls_mode smtp_tls;
	unsigned int quirks;
};

static const struct preset presets[] = {
	{ "generic", NULL, NULL, TLS_IMPLICIT, 0 },
	{ "dovecot", NULL, NULL, TLS_IMPLICIT, 0 },
	{ "gmail", "imap.gmail.com", "smtp.gmail.com", TLS_IMPLICIT,
	  PROVIDER_QUIRK_TOKEN_ENDS | PROVIDER_QUIRK_FILES_SENT },
	{ "microsoft365", "outlook.office365.com", "smtp.office365.com",
	  TLS_STARTTLS,
	  PROVIDER_QUIRK_AUTH_NO_INITIAL | PROVIDER_QUIRK_NO_SPECIAL_USE |
		  PROVIDER_QUIRK_FILES_SENT },
};

static const struct preset *find(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(presets); i++) {
		if (strcmp(presets[i].name, name) == 0) {
			return &presets[i];
		}
	}
	return &presets[0];
}

static void default_port(struct service_settings *service, uint16_t implicit,
			 uint16_t plain)
{
	if (service->port == 0) {
		service->port = service->tls == TLS_IMPLICIT ? implicit : plain;
	}
}

void provider_apply_preset(struct provider *provider)
{
	const struct preset *preset = find(provider->preset);

	if (provider->imap.host == NULL) {
		provider->imap.host = xstrdup(preset->imap_host);
	}
	if (provider->smtp.host == NULL && preset->smtp_host != NULL) {
		provider->smtp.host = xstrdup(preset->smtp_host);
		provider->smtp.tls = preset->smtp_tls;
	}
	provider->quirks |= preset->quirks;
	default_port(&provider->imap, 993, 143);
	default_port(&provider->smtp, 465, 587);
}
