package ossa

// Version returns the version of the format that an apiVersion names, such as
// "0.4.6", and whether it is one that is read here.
func Version(apiVersion string) (string, bool) {
	match := versions.FindStringSubmatch(apiVersion)
	if match == nil {
		return "", false
	}
	return match[1], true
}
