package topic

import "github.com/portcullis-dev/portcullis/internal/harden/check/rule"

// Name returns what the source of a reference calls it: "MCP-T7", "MCP07:2025",
// "API2:2023", "A05:2021" and "CWE-319". It reports whether there is such a one.
//
// The names are those of "Model Context Protocol (MCP) Security" by CoSAI, as of
// its revision of 29 May 2026, the beta of the OWASP MCP Top 10, the OWASP API
// Security Top 10 of 2023, the OWASP Top 10 of 2021, and version 4.20 of the
// Common Weakness Enumeration, from which only weaknesses are taken: its
// categories are no longer meant to be pointed at.
func Name(ref string) (string, bool) {
	for _, list := range [...][][2]string{threats[:], owasp[:], weaknesses[:]} {
		for _, e := range list {
			if e[0] == ref {
				return e[1], true
			}
		}
	}
	return "", false
}

// Level names a level of the CoSAI guidance.
func Level(l rule.Level) string {
	switch l {
	case rule.L1:
		return "personal and experimental"
	case rule.L2:
		return "internal"
	case rule.L3:
		return "production"
	case rule.L4:
		return "regulated"
	}
	return ""
}

// Least is the lowest level at which the guidance asks for anything against one
// of the threats, 0 for none: integrity, limits, supply chain and logs are not
// asked for at level 1.
func Least(threats []string) rule.Level {
	least := rule.Level(0)
	for _, t := range threats {
		at := rule.L1
		switch t {
		case "MCP-T6", "MCP-T10", "MCP-T11", "MCP-T12":
			at = rule.L2
		}
		if least == 0 || at < least {
			least = at
		}
	}
	return least
}

var threats = [...][2]string{
	{"MCP-T1", "Improper Authentication and Identity Management"},
	{"MCP-T2", "Missing or Improper Access Control"},
	{"MCP-T3", "Input Validation/Sanitization Failures"},
	{"MCP-T4", "Input/Instruction Boundary Distinction Failure"},
	{"MCP-T5", "Inadequate Data Protection and Confidentiality Controls"},
	{"MCP-T6", "Missing Integrity/Verification Controls"},
	{"MCP-T7", "Session and Transport Security Failures"},
	{"MCP-T8", "Network Binding/Isolation Failures"},
	{"MCP-T9", "Trust Boundary and Privilege Design Failures"},
	{"MCP-T10", "Resource Management/Rate Limiting Absence"},
	{"MCP-T11", "Supply Chain and Lifecycle Security Failures"},
	{"MCP-T12", "Insufficient Logging, Monitoring, and Auditability"},
}

var owasp = [...][2]string{
	{"MCP01:2025", "Token Mismanagement & Secret Exposure"},
	{"MCP02:2025", "Privilege Escalation via Scope Creep"},
	{"MCP03:2025", "Tool Poisoning"},
	{"MCP04:2025", "Software Supply Chain Attacks & Dependency Tampering"},
	{"MCP05:2025", "Command Injection & Execution"},
	{"MCP06:2025", "Intent Flow Subversion"},
	{"MCP07:2025", "Insufficient Authentication & Authorization"},
	{"MCP08:2025", "Lack of Audit and Telemetry"},
	{"MCP09:2025", "Shadow MCP Servers"},
	{"MCP10:2025", "Context Injection & Over-Sharing"},
	{"API1:2023", "Broken Object Level Authorization"},
	{"API2:2023", "Broken Authentication"},
	{"API3:2023", "Broken Object Property Level Authorization"},
	{"API4:2023", "Unrestricted Resource Consumption"},
	{"API5:2023", "Broken Function Level Authorization"},
	{"API6:2023", "Unrestricted Access to Sensitive Business Flows"},
	{"API7:2023", "Server Side Request Forgery"},
	{"API8:2023", "Security Misconfiguration"},
	{"API9:2023", "Improper Inventory Management"},
	{"API10:2023", "Unsafe Consumption of APIs"},
	{"A01:2021", "Broken Access Control"},
	{"A02:2021", "Cryptographic Failures"},
	{"A03:2021", "Injection"},
	{"A04:2021", "Insecure Design"},
	{"A05:2021", "Security Misconfiguration"},
	{"A06:2021", "Vulnerable and Outdated Components"},
	{"A07:2021", "Identification and Authentication Failures"},
	{"A08:2021", "Software and Data Integrity Failures"},
	{"A09:2021", "Security Logging and Monitoring Failures"},
	{"A10:2021", "Server-Side Request Forgery (SSRF)"},
}

var weaknesses = [...][2]string{
	{"CWE-20", "Improper Input Validation"},
	{"CWE-22", "Improper Limitation of a Pathname to a Restricted Directory ('Path Traversal')"},
	{"CWE-59", "Improper Link Resolution Before File Access ('Link Following')"},
	{"CWE-74", "Improper Neutralization of Special Elements in Output Used by a Downstream Component ('Injection')"},
	{"CWE-77", "Improper Neutralization of Special Elements used in a Command ('Command Injection')"},
	{"CWE-78", "Improper Neutralization of Special Elements used in an OS Command ('OS Command Injection')"},
	{"CWE-94", "Improper Control of Generation of Code ('Code Injection')"},
	{"CWE-200", "Exposure of Sensitive Information to an Unauthorized Actor"},
	{"CWE-209", "Generation of Error Message Containing Sensitive Information"},
	{"CWE-214", "Invocation of Process Using Visible Sensitive Information"},
	{"CWE-250", "Execution with Unnecessary Privileges"},
	{"CWE-266", "Incorrect Privilege Assignment"},
	{"CWE-269", "Improper Privilege Management"},
	{"CWE-276", "Incorrect Default Permissions"},
	{"CWE-284", "Improper Access Control"},
	{"CWE-286", "Incorrect User Management"},
	{"CWE-287", "Improper Authentication"},
	{"CWE-290", "Authentication Bypass by Spoofing"},
	{"CWE-295", "Improper Certificate Validation"},
	{"CWE-299", "Improper Check for Certificate Revocation"},
	{"CWE-300", "Channel Accessible by Non-Endpoint"},
	{"CWE-306", "Missing Authentication for Critical Function"},
	{"CWE-311", "Missing Encryption of Sensitive Data"},
	{"CWE-312", "Cleartext Storage of Sensitive Information"},
	{"CWE-313", "Cleartext Storage in a File or on Disk"},
	{"CWE-319", "Cleartext Transmission of Sensitive Information"},
	{"CWE-321", "Use of Hard-coded Cryptographic Key"},
	{"CWE-324", "Use of a Key Past its Expiration Date"},
	{"CWE-326", "Inadequate Encryption Strength"},
	{"CWE-327", "Use of a Broken or Risky Cryptographic Algorithm"},
	{"CWE-328", "Use of Weak Hash"},
	{"CWE-330", "Use of Insufficiently Random Values"},
	{"CWE-345", "Insufficient Verification of Data Authenticity"},
	{"CWE-346", "Origin Validation Error"},
	{"CWE-347", "Improper Verification of Cryptographic Signature"},
	{"CWE-348", "Use of Less Trusted Source"},
	{"CWE-349", "Acceptance of Extraneous Untrusted Data With Trusted Data"},
	{"CWE-350", "Reliance on Reverse DNS Resolution for a Security-Critical Action"},
	{"CWE-352", "Cross-Site Request Forgery (CSRF)"},
	{"CWE-353", "Missing Support for Integrity Check"},
	{"CWE-354", "Improper Validation of Integrity Check Value"},
	{"CWE-359", "Exposure of Private Personal Information to an Unauthorized Actor"},
	{"CWE-362", "Concurrent Execution using Shared Resource with Improper Synchronization ('Race Condition')"},
	{"CWE-377", "Insecure Temporary File"},
	{"CWE-384", "Session Fixation"},
	{"CWE-400", "Uncontrolled Resource Consumption"},
	{"CWE-426", "Untrusted Search Path"},
	{"CWE-427", "Uncontrolled Search Path Element"},
	{"CWE-436", "Interpretation Conflict"},
	{"CWE-441", "Unintended Proxy or Intermediary ('Confused Deputy')"},
	{"CWE-451", "User Interface (UI) Misrepresentation of Critical Information"},
	{"CWE-459", "Incomplete Cleanup"},
	{"CWE-477", "Use of Obsolete Function"},
	{"CWE-489", "Active Debug Code"},
	{"CWE-494", "Download of Code Without Integrity Check"},
	{"CWE-506", "Embedded Malicious Code"},
	{"CWE-521", "Weak Password Requirements"},
	{"CWE-522", "Insufficiently Protected Credentials"},
	{"CWE-525", "Use of Web Browser Cache Containing Sensitive Information"},
	{"CWE-526", "Cleartext Storage of Sensitive Information in an Environment Variable"},
	{"CWE-528", "Exposure of Core Dump File to an Unauthorized Control Sphere"},
	{"CWE-532", "Insertion of Sensitive Information into Log File"},
	{"CWE-538", "Insertion of Sensitive Information into Externally-Accessible File or Directory"},
	{"CWE-548", "Exposure of Information Through Directory Listing"},
	{"CWE-598", "Use of GET Request Method With Sensitive Query Strings"},
	{"CWE-601", "URL Redirection to Untrusted Site ('Open Redirect')"},
	{"CWE-613", "Insufficient Session Expiration"},
	{"CWE-614", "Sensitive Cookie in HTTPS Session Without 'Secure' Attribute"},
	{"CWE-636", "Not Failing Securely ('Failing Open')"},
	{"CWE-639", "Authorization Bypass Through User-Controlled Key"},
	{"CWE-653", "Improper Isolation or Compartmentalization"},
	{"CWE-668", "Exposure of Resource to Wrong Sphere"},
	{"CWE-672", "Operation on a Resource after Expiration or Release"},
	{"CWE-674", "Uncontrolled Recursion"},
	{"CWE-693", "Protection Mechanism Failure"},
	{"CWE-694", "Use of Multiple Resources with Duplicate Identifier"},
	{"CWE-703", "Improper Check or Handling of Exceptional Conditions"},
	{"CWE-732", "Incorrect Permission Assignment for Critical Resource"},
	{"CWE-754", "Improper Check for Unusual or Exceptional Conditions"},
	{"CWE-770", "Allocation of Resources Without Limits or Throttling"},
	{"CWE-778", "Insufficient Logging"},
	{"CWE-798", "Use of Hard-coded Credentials"},
	{"CWE-829", "Inclusion of Functionality from Untrusted Control Sphere"},
	{"CWE-834", "Excessive Iteration"},
	{"CWE-862", "Missing Authorization"},
	{"CWE-863", "Incorrect Authorization"},
	{"CWE-918", "Server-Side Request Forgery (SSRF)"},
	{"CWE-923", "Improper Restriction of Communication Channel to Intended Endpoints"},
	{"CWE-942", "Permissive Cross-domain Security Policy with Untrusted Domains"},
	{"CWE-1004", "Sensitive Cookie Without 'HttpOnly' Flag"},
	{"CWE-1007", "Insufficient Visual Distinction of Homoglyphs Presented to User"},
	{"CWE-1059", "Insufficient Technical Documentation"},
	{"CWE-1104", "Use of Unmaintained Third Party Components"},
	{"CWE-1188", "Initialization of a Resource with an Insecure Default"},
	{"CWE-1220", "Insufficient Granularity of Access Control"},
	{"CWE-1357", "Reliance on Insufficiently Trustworthy Component"},
	{"CWE-1391", "Use of Weak Credentials"},
	{"CWE-1392", "Use of Default Credentials"},
	{"CWE-1394", "Use of Default Cryptographic Key"},
	{"CWE-1395", "Dependency on Vulnerable Third-Party Component"},
	{"CWE-1427", "Improper Neutralization of Input Used for LLM Prompting"},
}
