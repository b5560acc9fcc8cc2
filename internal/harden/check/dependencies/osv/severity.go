package osv

import (
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"
)

// Rating is how bad a vulnerability is.
type Rating uint8

// The ratings. Unrated is one of which nobody says how bad it is.
const (
	Unrated Rating = iota
	Low
	Medium
	High
	Critical
)

func (r Rating) String() string {
	return [...]string{"unknown", "low", "medium", "high", "critical"}[r]
}

// rated is a rating and the score that it comes from, 0 where it has none.
type rated struct {
	rating Rating
	score  float64
}

func worse(a, b rated) rated {
	if b.rating > a.rating || b.rating == a.rating && b.score > a.score {
		return b
	}
	return a
}

// rate returns what the newest standard among some vectors says, or else what a
// database says in words.
func rate(vectors []Vector, said ...Specific) rated {
	var out rated
	for _, kind := range [...]string{"CVSS_V4", "CVSS_V3", "CVSS_V2"} {
		for _, v := range vectors {
			if v.Type == kind && len(v.Score) < 512 {
				out = worse(out, cvss(strings.TrimSpace(v.Score)))
			}
		}
		if out.rating != Unrated {
			return out
		}
	}
	for _, s := range said {
		word, _ := s.Severity.(string)
		out = worse(out, rated{rating: map[string]Rating{
			"CRITICAL": Critical, "HIGH": High, "IMPORTANT": High, "MODERATE": Medium, "MEDIUM": Medium, "LOW": Low,
		}[strings.ToUpper(word)]})
	}
	return out
}

// cvss reads a vector. One that cannot be read says nothing.
func cvss(vector string) rated {
	var score float64
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := cvss40.ParseVector(vector)
		if err != nil {
			return rated{}
		}
		score = v.Score()
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := cvss31.ParseVector(vector)
		if err != nil {
			return rated{}
		}
		score = v.BaseScore()
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := cvss30.ParseVector(vector)
		if err != nil {
			return rated{}
		}
		score = v.BaseScore()
	default:
		v, err := cvss20.ParseVector(strings.Trim(vector, "()"))
		if err != nil {
			return rated{}
		}
		score = v.BaseScore()
	}
	switch {
	case score >= 9:
		return rated{Critical, score}
	case score >= 7:
		return rated{High, score}
	case score >= 4:
		return rated{Medium, score}
	}
	return rated{Low, score}
}
