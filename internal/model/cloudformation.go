package model

import (
	"strings"
	"time"
)

// StackStatus is how the last operation on a stack goes.
type StackStatus string

// The states of a stack.
const (
	StackCreateInProgress                        StackStatus = "CREATE_IN_PROGRESS"
	StackCreateComplete                          StackStatus = "CREATE_COMPLETE"
	StackCreateFailed                            StackStatus = "CREATE_FAILED"
	StackRollbackInProgress                      StackStatus = "ROLLBACK_IN_PROGRESS"
	StackRollbackComplete                        StackStatus = "ROLLBACK_COMPLETE"
	StackRollbackFailed                          StackStatus = "ROLLBACK_FAILED"
	StackDeleteInProgress                        StackStatus = "DELETE_IN_PROGRESS"
	StackDeleteComplete                          StackStatus = "DELETE_COMPLETE"
	StackDeleteFailed                            StackStatus = "DELETE_FAILED"
	StackUpdateInProgress                        StackStatus = "UPDATE_IN_PROGRESS"
	StackUpdateCompleteCleanupInProgress         StackStatus = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	StackUpdateComplete                          StackStatus = "UPDATE_COMPLETE"
	StackUpdateFailed                            StackStatus = "UPDATE_FAILED"
	StackUpdateRollbackInProgress                StackStatus = "UPDATE_ROLLBACK_IN_PROGRESS"
	StackUpdateRollbackCompleteCleanupInProgress StackStatus = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
	StackUpdateRollbackComplete                  StackStatus = "UPDATE_ROLLBACK_COMPLETE"
	StackUpdateRollbackFailed                    StackStatus = "UPDATE_ROLLBACK_FAILED"
	StackReviewInProgress                        StackStatus = "REVIEW_IN_PROGRESS"
)

// InProgress reports whether an operation is under way: a stack that waits
// for its first change set (REVIEW_IN_PROGRESS) has none.
func (s StackStatus) InProgress() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != StackReviewInProgress
}

// Complete reports whether the last operation ended as was asked, or was
// taken back whole.
func (s StackStatus) Complete() bool { return strings.HasSuffix(string(s), "_COMPLETE") }

// Failed reports whether the last operation failed and left the stack as it was then.
func (s StackStatus) Failed() bool { return strings.HasSuffix(string(s), "_FAILED") }

// Updating reports whether the last operation is an update, or one's end.
func (s StackStatus) Updating() bool { return strings.HasPrefix(string(s), "UPDATE_") }

// UpdateRollback reports whether an update is, or was last, taken back.
func (s StackStatus) UpdateRollback() bool { return strings.HasPrefix(string(s), "UPDATE_ROLLBACK") }

// ResourceStatus is how the last act on a resource of a stack goes; an event of a stack carries the stack's status in it.
type ResourceStatus string

// The states of a resource of a stack.
const (
	ResourceCreateInProgress ResourceStatus = "CREATE_IN_PROGRESS"
	ResourceCreateComplete   ResourceStatus = "CREATE_COMPLETE"
	ResourceCreateFailed     ResourceStatus = "CREATE_FAILED"
	ResourceUpdateInProgress ResourceStatus = "UPDATE_IN_PROGRESS"
	ResourceUpdateComplete   ResourceStatus = "UPDATE_COMPLETE"
	ResourceUpdateFailed     ResourceStatus = "UPDATE_FAILED"
	ResourceDeleteInProgress ResourceStatus = "DELETE_IN_PROGRESS"
	ResourceDeleteComplete   ResourceStatus = "DELETE_COMPLETE"
	ResourceDeleteFailed     ResourceStatus = "DELETE_FAILED"
	ResourceDeleteSkipped    ResourceStatus = "DELETE_SKIPPED"
)

// InProgress reports whether an act on the resource is under way.
func (s ResourceStatus) InProgress() bool { return strings.HasSuffix(string(s), "_IN_PROGRESS") }

// Complete reports whether the last act on the resource succeeded.
func (s ResourceStatus) Complete() bool { return strings.HasSuffix(string(s), "_COMPLETE") }

// Failed reports whether the last act on the resource failed.
func (s ResourceStatus) Failed() bool { return strings.HasSuffix(string(s), "_FAILED") }

// StackParameter is a parameter's given value.
type StackParameter struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Resolved string `json:"resolved,omitempty"`
	NoEcho   bool   `json:"noEcho,omitempty"` // shown as asterisks
}

// StackOutput is an output of a stack.
type StackOutput struct {
	Key         string `json:"key"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Export      string `json:"export,omitempty"`
}

// Stack is a CloudFormation stack. Key: ID (its ARN).
type Stack struct {
	ID           string      `json:"id" w:"api/cloudformation"`
	Name         string      `json:"name" w:"api/cloudformation"`
	Description  string      `json:"description,omitempty" w:"api/cloudformation,controllers/stack"`
	Status       StackStatus `json:"status" w:"api/cloudformation,controllers/stack"`
	StatusReason string      `json:"statusReason,omitempty" w:"api/cloudformation,controllers/stack"`
	// Template is the body that is being, or was last, applied; Previous is
	// the last good one, to roll back to.
	Template              string           `json:"template" w:"api/cloudformation,controllers/stack"`
	Parameters            []StackParameter `json:"parameters,omitempty" w:"api/cloudformation,controllers/stack"`
	Previous              string           `json:"previous,omitempty" w:"api/cloudformation,controllers/stack"`
	PreviousParameters    []StackParameter `json:"previousParameters,omitempty" w:"api/cloudformation,controllers/stack"`
	Capabilities          []string         `json:"capabilities,omitempty" w:"api/cloudformation"`
	Tags                  []Tag            `json:"tags,omitempty" w:"api/cloudformation,controllers/stack"`
	PreviousTags          []Tag            `json:"previousTags,omitempty" w:"api/cloudformation,controllers/stack"`
	RoleARN               string           `json:"roleArn,omitempty" w:"api/cloudformation"`
	DisableRollback       bool             `json:"disableRollback,omitempty" w:"api/cloudformation"`
	OnFailure             string           `json:"onFailure,omitempty" w:"api/cloudformation"`
	TimeoutMinutes        int64            `json:"timeoutMinutes,omitempty" w:"api/cloudformation"`
	TerminationProtection bool             `json:"terminationProtection,omitempty" w:"api/cloudformation"`
	Outputs               []StackOutput    `json:"outputs,omitempty" w:"controllers/stack"`
	CreatedAt             time.Time        `json:"createdAt" w:"api/cloudformation"`
	UpdatedAt             time.Time        `json:"updatedAt,omitzero" w:"api/cloudformation"`
	DeletedAt             time.Time        `json:"deletedAt,omitzero" w:"controllers/stack"`
	ChangeSet             string           `json:"changeSet,omitempty" w:"api/cloudformation"`
	// Operation grows with every create, update and delete, so that the controller
	// can tell a new request from an old one; Principal is who asked.
	Operation      int64    `json:"operation" w:"api/cloudformation"`
	RequestToken   string   `json:"requestToken,omitempty" w:"api/cloudformation"`
	Principal      string   `json:"principal,omitempty" w:"api/cloudformation"` // ARN
	RetainOnDelete []string `json:"retainOnDelete,omitempty" w:"api/cloudformation"`
	// Skip are resources that a continued rollback leaves as they are.
	Skip []string `json:"skip,omitempty" w:"api/cloudformation"`
	// Imports are the names of exports that the template uses.
	Imports []string `json:"imports,omitempty" w:"api/cloudformation,controllers/stack"`
	// Started is when the operation under way began; Events counts the
	// stack's events.
	Started time.Time `json:"started,omitzero" w:"api/cloudformation,controllers/stack"`
	Events  int64     `json:"events,omitempty" w:"api/cloudformation,controllers/stack"`
}

// StackResource is one resource of a stack. Key: stack ID + "|" + logical id.
type StackResource struct {
	Stack        string         `json:"stack"`
	LogicalID    string         `json:"logicalId"`
	PhysicalID   string         `json:"physicalId,omitempty"`
	Type         string         `json:"type"`
	Status       ResourceStatus `json:"status"`
	StatusReason string         `json:"statusReason,omitempty"`
	UpdatedAt    time.Time      `json:"updatedAt"`
	// Properties are those last applied, resolved; Attributes answer GetAtt.
	Properties map[string]any `json:"properties,omitempty"`
	// Prior are the properties before the update under way.
	Prior               map[string]any `json:"prior,omitempty"`
	Attributes          map[string]any `json:"attributes,omitempty"`
	DependsOn           []string       `json:"dependsOn,omitempty"`
	Operation           int64          `json:"operation"`
	Token               string         `json:"token,omitempty"` // idempotency token of the act under way
	Started             time.Time      `json:"started,omitzero"`
	DeletionPolicy      string         `json:"deletionPolicy,omitempty"`
	UpdateReplacePolicy string         `json:"updateReplacePolicy,omitempty"`
	// Replaced is the old physical resource, to be deleted in clean-up.
	Replaced           string            `json:"replaced,omitempty"`
	ReplacedProperties map[string]any    `json:"replacedProperties,omitempty"`
	ReplacedAttributes map[string]any    `json:"replacedAttributes,omitempty"`
	ReplacedMemo       map[string]string `json:"replacedMemo,omitempty"`
	// Metadata is the template's, as JSON; Tags are those the resource got.
	Metadata string `json:"metadata,omitempty"`
	Tags     []Tag  `json:"tags,omitempty"`
	// Memo is what the resource type's own code must remember between steps.
	Memo map[string]string `json:"memo,omitempty"`
}

// StackRefusal is what a template asks for and will certainly not get. It is
// told, and not kept.
type StackRefusal struct {
	Resource, Type string   // its logical id and type
	Paths          []string // JSON pointers into the template of what is to blame
	Reason         string
	NotBuilt       bool // understood, and not built
}

// StackEvent is one event. Key: stack ID + "|" + zero-padded Seq.
type StackEvent struct {
	Stack      string         `json:"stack"`
	Seq        int64          `json:"seq"`
	ID         string         `json:"id"`
	LogicalID  string         `json:"logicalId"`
	PhysicalID string         `json:"physicalId,omitempty"`
	Type       string         `json:"type"`
	Status     ResourceStatus `json:"status"`
	Reason     string         `json:"reason,omitempty"`
	Cause      Cause          `json:"cause,omitzero"`
	Detailed   string         `json:"detailed,omitempty"`
	Properties string         `json:"properties,omitempty"`
	Token      string         `json:"token,omitempty"`
	At         time.Time      `json:"at"`
}

// SignalStatus is what a signal says.
type SignalStatus string

// What a signal may say.
const (
	SignalSuccess SignalStatus = "SUCCESS"
	SignalFailure SignalStatus = "FAILURE"
)

// StackSignal is a signal that a resource under way was sent, kept until its
// stack's operation ends. Key: stack ID + "|" + logical id + "|" + act + "|" + unique id.
type StackSignal struct {
	Stack     string       `json:"stack" w:"api/cloudformation"`
	LogicalID string       `json:"logicalId" w:"api/cloudformation"`
	Act       string       `json:"act" w:"api/cloudformation"` // StackResource.Token then
	UniqueID  string       `json:"uniqueId" w:"api/cloudformation"`
	Status    SignalStatus `json:"status" w:"api/cloudformation"`
	At        time.Time    `json:"at" w:"api/cloudformation"`
	// Body is what a custom resource's provider answered; Act is the request's id
	// then. One that is too long is cut to one byte more than is allowed.
	Body string `json:"body,omitempty" w:"api/cloudformation"`
	// Told says that the stack's events have it.
	Told bool `json:"told,omitempty" w:"controllers/stack"`
}

// What the memo of a custom resource holds of the request to its provider that
// is under way: its id, and the signature and the end of the address to answer
// at.
const (
	MemoRequest   = "request"
	MemoSignature = "signature"
	MemoUntil     = "until" // RFC 3339
)

// AnswerStatus is what a custom resource's provider says of an act.
type AnswerStatus string

// What a provider may say.
const (
	AnswerSuccess AnswerStatus = "SUCCESS"
	AnswerFailed  AnswerStatus = "FAILED"
)

// MaxAnswer is how long a custom resource's provider's answer may be, in bytes.
const MaxAnswer = 4096

// Asked finds what is remembered of a request to a custom resource's provider,
// or of one about what it replaces; ok is false if it is not under way.
func (r StackResource) Asked(request string) (signature string, until time.Time, ok bool) {
	for _, m := range []map[string]string{r.Memo, r.ReplacedMemo} {
		if request != "" && m[MemoRequest] == request {
			until, err := time.Parse(time.RFC3339Nano, m[MemoUntil])
			return m[MemoSignature], until, err == nil
		}
	}
	return "", time.Time{}, false
}

// What CloudFormation says of a resource that it gave up since another failed
// first; its API has no code for that.
const (
	CancelledCreate = "Resource creation cancelled"
	CancelledUpdate = "Resource update cancelled"
)

// ResourceChange is one change of a change set.
type ResourceChange struct {
	Action      string         `json:"action"` // Add, Modify, Remove
	LogicalID   string         `json:"logicalId"`
	PhysicalID  string         `json:"physicalId,omitempty"`
	Type        string         `json:"type"`
	Replacement string         `json:"replacement,omitempty"` // True, False, Conditional
	Properties  []string       `json:"properties,omitempty"`  // names that changed
	Details     []ChangeDetail `json:"details,omitempty"`
	// Before and After are what the resource has and will have, as JSON.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// ChangeDetail says why one property changes.
type ChangeDetail struct {
	Attribute  string `json:"attribute"` // Properties, Metadata, Tags, …
	Name       string `json:"name,omitempty"`
	Recreation string `json:"recreation,omitempty"` // Never, Conditionally, Always
	Evaluation string `json:"evaluation"`           // Static, Dynamic
	Source     string `json:"source"`               // DirectModification, ResourceReference, …
	Causing    string `json:"causing,omitempty"`
	Before     string `json:"before,omitempty"` // the value, "" if it is not set
	After      string `json:"after,omitempty"`
}

// ChangeSetStatus is how the making of a change set goes.
type ChangeSetStatus string

// The states of a change set.
const (
	ChangeSetCreateComplete ChangeSetStatus = "CREATE_COMPLETE"
	ChangeSetFailed         ChangeSetStatus = "FAILED"
)

// ExecutionStatus says whether a change set can be executed, or was.
type ExecutionStatus string

// The states of the execution of a change set.
const (
	ExecutionAvailable   ExecutionStatus = "AVAILABLE"
	ExecutionUnavailable ExecutionStatus = "UNAVAILABLE"
	ExecutionObsolete    ExecutionStatus = "OBSOLETE"
	ExecutionComplete    ExecutionStatus = "EXECUTE_COMPLETE"
)

// ChangeSet is a change set. Key: ID (its ARN).
type ChangeSet struct {
	ID              string           `json:"id"`
	Name            string           `json:"name"`
	Stack           string           `json:"stack"` // stack ID
	StackName       string           `json:"stackName"`
	Type            string           `json:"type"` // CREATE, UPDATE
	Description     string           `json:"description,omitempty"`
	Status          ChangeSetStatus  `json:"status"`
	StatusReason    string           `json:"statusReason,omitempty"`
	ExecutionStatus ExecutionStatus  `json:"executionStatus"`
	Template        string           `json:"template"`
	Parameters      []StackParameter `json:"parameters,omitempty"`
	Capabilities    []string         `json:"capabilities,omitempty"`
	Tags            []Tag            `json:"tags,omitempty"`
	RoleARN         string           `json:"roleArn,omitempty"`
	Token           string           `json:"token,omitempty"`
	Nested          bool             `json:"nested,omitempty"` // asked for nested stacks' changes, of which there are none
	OnStackFailure  string           `json:"onStackFailure,omitempty"`
	Changes         []ResourceChange `json:"changes,omitempty"`
	CreatedAt       time.Time        `json:"createdAt"`
}

// Export is an exported output. Key: Name.
type Export struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Stack string `json:"stack"`
}
