package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/agext/levenshtein"
)

// missingPlan is the error of a saved plan that is not there. It leaves no run.
type missingPlan struct {
	error
	path string
}

func (e missingPlan) Unwrap() error { return e.error }

// Hint names the JSON file beside it that was probably meant.
func (e missingPlan) Hint() string {
	const most = 3 // letters that may differ
	dir, name := filepath.Dir(e.path), strings.ToLower(filepath.Base(e.path))
	beside, _ := os.ReadDir(dir)
	best, distance := "", most+1
	for _, file := range beside {
		its := strings.ToLower(file.Name())
		if filepath.Ext(its) != ".json" || file.IsDir() {
			continue
		}
		if d := levenshtein.Distance(its, name, nil); d < distance {
			best, distance = file.Name(), d
		}
	}
	if best != "" {
		return "did you mean " + filepath.Join(dir, best) + "?"
	}
	return "rollcall plan -o json=FILE makes a plan"
}
