package render

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/apparentlymart/go-textseg/v15/textseg"
	"golang.org/x/text/width"
)

// ellipsis stands for what a shortened text has lost; it is one cell wide.
const ellipsis = "…"

// cells returns how many cells of a terminal a text takes.
func cells(s string) int {
	if ascii(s) {
		return len(s)
	}
	n := 0
	eachCluster(s, func(_ string, w int) bool { n += w; return true })
	return n
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// eachCluster calls f with the grapheme clusters (Unicode annex 29) of s and
// their widths until it returns false.
func eachCluster(s string, f func(cluster string, width int) bool) {
	for rest := []byte(s); len(rest) > 0; {
		n, cluster, err := textseg.ScanGraphemeClusters(rest, true)
		if err != nil || n == 0 {
			return
		}
		if !f(string(cluster), clusterCells(cluster)) {
			return
		}
		rest = rest[n:]
	}
}

// clusterCells returns the width of one cluster. One that asks for the look of
// an emoji takes two cells however many characters it joins, and so does a
// flag.
func clusterCells(cluster []byte) int {
	if len(cluster) == 1 {
		return 1
	}
	total := 0
	for len(cluster) > 0 {
		r, n := utf8.DecodeRune(cluster)
		cluster = cluster[n:]
		switch {
		case r == 0xfe0f, r >= 0x1f1e6 && r <= 0x1f1ff && len(cluster) > 0:
			return 2
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		default:
			total++
			if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
				total++
			}
		}
	}
	return min(total, 2)
}

// shorten leaves out the middle of a text that takes more than limit cells.
// The front keeps three times as much as the end, because names of every kind
// begin with what tells them apart.
func shorten(s string, limit int) string {
	if cells(s) <= limit {
		return s
	}
	if limit < 1 {
		return ""
	}
	front := head(s, min(limit*3/4, limit-1))
	return front + ellipsis + tail(s, limit-1-cells(front))
}

// head returns the longest beginning of s that takes at most limit cells.
func head(s string, limit int) string {
	if ascii(s) {
		return s[:min(limit, len(s))]
	}
	end := 0
	eachCluster(s, func(cluster string, w int) bool {
		if limit -= w; limit >= 0 {
			end += len(cluster)
		}
		return limit >= 0
	})
	return s[:end]
}

// tail returns the longest end of s that takes at most limit cells.
func tail(s string, limit int) string {
	if ascii(s) {
		return s[max(len(s)-limit, 0):]
	}
	var clusters []string
	eachCluster(s, func(cluster string, _ int) bool { clusters = append(clusters, cluster); return true })
	start := len(s)
	for _, cluster := range slices.Backward(clusters) {
		if limit -= cells(cluster); limit < 0 {
			break
		}
		start -= len(cluster)
	}
	return s[start:]
}
