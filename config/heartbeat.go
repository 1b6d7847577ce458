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

// httpURL is the least that a URL of HTTP has.
var httpURL = regexp.MustCompile(`^https?://[^/?#\s]+[^\s]*$`)

func (d *decoder) readHeartbeat(b *block) {
	if b == nil {
		return
	}
	h := &d.config.Heartbeat
	if it, ok := b.text("ping"); ok {
		if h.Ping = it.text; !httpURL.MatchString(it.text) {
			d.errorf(it.rng, `write ping = env("PING_URL"), with a URL that begins with https://`, "the value of %q is not a URL of HTTP", "ping")
		}
	}
	if it, ok := b.text("textfile"); ok && b.fullText("textfile", it) {
		h.Textfile = settings.Resolve(d.config.Dir, it.text)
	}
	h.StaleAfter, _ = b.duration("stale_after")
}
