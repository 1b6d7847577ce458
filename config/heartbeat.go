package config

import (
	"regexp"
	"time"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Heartbeat is what monitoring is shown of runs.
type Heartbeat struct {
	// Ping is the URL of a service that hears how runs end; "" for none. It is a
	// secret.
	Ping string
	// Textfile is the path of a file of metrics, "" for none.
	Textfile string
	// StaleAfter is how old the last complete read may be, 0 for as old as it is.
	StaleAfter time.Duration
}

// httpURL is a URL of HTTP without a fragment: with or without user and port, its host
// a name or an address.
var httpURL = regexp.MustCompile(`^https?://([^/?#@%\s[:cntrl:]]*@)?([\p{L}\p{N}._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?` +
	`(/([^?#%\s[:cntrl:]]|%[0-9A-Fa-f]{2})*)?(\?[^#\s[:cntrl:]]*)?$`)

func (d *decoder) readHeartbeat(b *block) {
	if b == nil {
		return
	}
	h := &d.config.Heartbeat
	if it, ok := b.text("ping"); ok {
		if h.Ping = it.text; !httpURL.MatchString(it.text) {
			d.errorf(it.rng, `write ping = env("PING_URL"), with a URL as in https://example.com/0123`, "the value of %q is not a URL of HTTP", "ping")
		}
	}
	if it, ok := b.text("textfile"); ok && b.fullText("textfile", it) {
		h.Textfile = settings.Resolve(d.config.Dir, it.text)
	}
	h.StaleAfter, _ = b.duration("stale_after")
}
