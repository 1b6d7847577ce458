package notice

import (
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// Samples are findings of every kind, which say that they are tests.
func Samples(command func(args ...string) string) Findings {
	var all []Finding
	for _, kind := range run.NoticeKinds {
		all = append(all, Finding{Event: true, Notice: run.Notice{
			Kind: kind, Title: "test of " + string(kind) + ": " + render.NoticeKind(kind),
			Lines: []string{"This is a test of the channel. Nothing was read, and nothing was changed."},
			Items: []run.NoticeItem{{
				Account: "account@example.com", Address: "alias@example.com", Reason: "reason", Rule: "rule", Other: "who else has a part in it",
				Text: "what is the case", Remedy: "what to do",
			}},
			Count: 1, Command: command("plan", "--all"),
		}})
	}
	return Findings{All: all, Redacted: all}
}
