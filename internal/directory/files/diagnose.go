package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// Diagnose tests that the files are there, can be opened, and are complete. The
// error is that of ctx.
func (s *Source) Diagnose(ctx context.Context, scopes []directory.Scope, _ func() time.Time, progress func(directory.Progress)) (*doctor.Report, error) {
	r := &doctor.Report{Name: s.label}
	subject := strings.Join(s.patterns, ", ")
	files := r.Check(doctor.Files, subject, s.files)
	directory.Examine(ctx, s, subject, scopes, r, progress, files)
	return r, ctx.Err()
}

func (s *Source) files(k *doctor.Check) {
	const remedy = "check path in the directory block, and who may read the file"
	files, err := s.Files()
	if failed := (*directory.ReadError)(nil); errors.As(err, &failed) {
		k.Fail(failed.From+": "+failed.Err.Error(), remedy)
		return
	}
	var evidence []string
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			k.Fail(path+": "+cause(err).Error(), remedy)
			return
		}
		info, err := f.Stat()
		_ = f.Close()
		if err != nil {
			k.Fail(path+": "+cause(err).Error(), remedy)
			return
		}
		evidence = append(evidence, fmt.Sprintf("%s, %s octets, of %s", path, number.Thousands(int(info.Size())), info.ModTime().UTC().Format(time.RFC3339)))
	}
	if len(files) == 1 {
		k.Pass("the file can be opened", evidence...)
		return
	}
	k.Pass(fmt.Sprintf("all %d files can be opened", len(files)), evidence...)
}
