package enrich

import "github.com/portcullis-dev/portcullis/internal/detect/enrich/mmdbtest"

// The ways of laying a place out: nested is that of MaxMind, flat that of others.
var nested, writeDatabase, database6 = mmdbtest.Place, mmdbtest.Write, mmdbtest.Database

func flat(country string) map[string]any {
	return map[string]any{"country": "A Land", "country_code": country, "region": "North", "city": "Town", "asn": "AS64497", "as_name": "Other Net"}
}
