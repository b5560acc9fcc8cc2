// Package diff shows what changes in a text, as diff -u does.
package diff

import (
	"fmt"
	"strings"
)

const around = 3 // lines shown before and behind a change

// maxCells bounds the table of the comparison. Beyond it what differs is shown
// as one change.
const maxCells = 4 << 20

// line is a line of a diff: ' ' in both, '-' before only, '+' after only.
type line struct {
	sign byte
	text string
}

// Unified returns the difference of two texts, or "" if there is none. names
// stand in its head.
func Unified(before, after []byte, nameBefore, nameAfter string) string {
	lines := compare(split(string(before)), split(string(after)))
	var b strings.Builder
	for start := 0; start < len(lines); {
		first := next(lines, start)
		if first < 0 {
			break
		}
		last := first // the last change of the hunk
		for {
			n := next(lines, last+1)
			if n < 0 || n-last > 2*around {
				break
			}
			last = n
		}
		from, to := max(first-around, start), min(last+around+1, len(lines))
		if b.Len() == 0 {
			fmt.Fprintf(&b, "--- %s\n+++ %s\n", nameBefore, nameAfter)
		}
		hunk(&b, lines, from, to)
		start = to
	}
	return b.String()
}

// next returns the first change from a line on, or -1.
func next(lines []line, from int) int {
	for i := from; i < len(lines); i++ {
		if lines[i].sign != ' ' {
			return i
		}
	}
	return -1
}

func hunk(b *strings.Builder, lines []line, from, to int) {
	oldAt, newAt := 1, 1
	for _, l := range lines[:from] {
		if l.sign != '+' {
			oldAt++
		}
		if l.sign != '-' {
			newAt++
		}
	}
	olds, news := 0, 0
	for _, l := range lines[from:to] {
		if l.sign != '+' {
			olds++
		}
		if l.sign != '-' {
			news++
		}
	}
	if olds == 0 {
		oldAt--
	}
	if news == 0 {
		newAt--
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", oldAt, olds, newAt, news)
	for _, l := range lines[from:to] {
		text, ended := strings.CutSuffix(l.text, "\n")
		fmt.Fprintf(b, "%c%s\n", l.sign, text)
		if !ended {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
}

func split(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// compare finds the longest common lines, between what both begin and end with.
func compare(a, b []string) []line {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var out []line
	for _, s := range a[:begin] {
		out = append(out, line{' ', s})
	}
	out = append(out, middle(a[begin:len(a)-end], b[begin:len(b)-end])...)
	for _, s := range a[len(a)-end:] {
		out = append(out, line{' ', s})
	}
	return out
}

func middle(a, b []string) []line {
	var out []line
	i, j := 0, 0
	if len(a)*len(b) <= maxCells {
		common := table(a, b)
		for i < len(a) && j < len(b) {
			switch {
			case a[i] == b[j]:
				out = append(out, line{' ', a[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				out = append(out, line{'-', a[i]})
				i++
			default:
				out = append(out, line{'+', b[j]})
				j++
			}
		}
	}
	for ; i < len(a); i++ {
		out = append(out, line{'-', a[i]})
	}
	for ; j < len(b); j++ {
		out = append(out, line{'+', b[j]})
	}
	return out
}

// table holds at [i][j] how many lines a[i:] and b[j:] have in common.
func table(a, b []string) [][]int32 {
	t := make([][]int32, len(a)+1)
	for i := range t {
		t[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				t[i][j] = t[i+1][j+1] + 1
			} else {
				t[i][j] = max(t[i+1][j], t[i][j+1])
			}
		}
	}
	return t
}
