package notice

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// Samples are notices of some kinds, which say that they are tests.
func Samples(channel string, kinds []run.NoticeKind, from Origin, now time.Time, command func(args ...string) string) (all []run.Message) {
	now = now.UTC().Truncate(time.Second)
	for _, kind := range kinds {
		n := run.Notice{
			Kind: kind, Phase: run.Happened, Since: now, Title: "test of " + string(kind) + ": " + render.NoticeKind(kind),
			Lines: []string{"This is a test of the channel. Nothing was read, and nothing was changed."},
			Items: []run.NoticeItem{{
				Account: "account@example.com", Address: "alias@example.com", Reason: "reason", Rule: "rule", Other: "who else has a part in it",
				Text: "what is the case", Remedy: "what to do",
			}},
			Count: 1, Command: command("plan", "--all"),
		}
		all = append(all, run.Message{
			ID: strings.ToLower(rand.Text()), Channel: channel, Filed: now, Host: from.Host, Configuration: from.Configuration, Console: from.Console, Notice: n,
		})
	}
	return all
}
