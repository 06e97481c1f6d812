package cloudformation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
)

const stackARN = "arn:aws:cloudformation:us-east-1:123456789012:"

// putStacks puts stacks at rest, under way and gone, and change sets: one that
// may be executed, one that was, and one that is being.
func putStacks(w *apitest.World) {
	for name, status := range map[string]model.StackStatus{
		"s": model.StackCreateComplete, "going": model.StackUpdateInProgress, "gone": model.StackDeleteComplete,
		"kept": model.StackCreateComplete, "meant": model.StackReviewInProgress,
	} {
		apitest.Put(w, state.Stacks, model.Stack{
			ID: stackARN + "stack/" + name + "/0", Name: name, Status: status, Template: logs, CreatedAt: time.Unix(1, 0),
			TerminationProtection: name == "kept", ChangeSet: stackARN + "changeSet/" + name + "/0",
		})
		apitest.Put(w, state.ChangeSets, model.ChangeSet{
			ID: stackARN + "changeSet/" + name + "/0", Name: "c", Stack: stackARN + "stack/" + name + "/0", StackName: name,
			Status: model.ChangeSetCreateComplete, ExecutionStatus: model.ExecutionComplete, Template: "Transform: AWS::LanguageExtensions\n" + logs,
		})
	}
	apitest.Put(w, state.StackResources, model.StackResource{
		Stack: stackARN + "stack/s/0", LogicalID: "G", Type: "AWS::Logs::LogGroup", PhysicalID: "g", Status: model.ResourceCreateComplete,
		Properties: map[string]any{"RetentionInDays": 7.0},
	})
	apitest.Put(w, state.StackResources, model.StackResource{
		Stack: stackARN + "stack/going/0", LogicalID: "G", Type: "AWS::Logs::LogGroup", PhysicalID: "g", Status: model.ResourceUpdateComplete,
	})
	apitest.Put(w, state.ChangeSets, model.ChangeSet{
		ID: stackARN + "changeSet/ready/0", Name: "ready", Stack: stackARN + "stack/going/0", StackName: "going", Type: "UPDATE",
		Status: model.ChangeSetCreateComplete, ExecutionStatus: model.ExecutionAvailable, Template: logs,
	})
	apitest.Put(w, state.Exports, model.Export{Name: "e", Stack: stackARN + "stack/s/0", Value: "v"})
}

// body writes a template as JSON without a space in it.
func body(template string) string {
	b, _ := json.Marshal(template)
	return strings.ReplaceAll(string(b), " ", `\u0020`)
}

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	putStacks(w)
	apitest.Errors(t, w, "cloudformation", strings.NewReplacer(
		"LOGS", body(logs), "ROLE", body(role), "OTHER", body(strings.Replace(logs, "7", "14", 1)), "ARN/", stackARN,
	).Replace(stackErrors))
}

const stackErrors = `
	CreateStack AlreadyExistsException StackName=s TemplateBody=LOGS
	CreateStack InsufficientCapabilitiesException StackName=new TemplateBody=ROLE
	CreateStack ValidationError StackName=new TemplateBody=lost
	CreateStack ValidationError StackName=1 TemplateBody=LOGS
	CreateStack ValidationError StackName=new TemplateBody=LOGS OnFailure=DELETE DisableRollback=true
	CreateStack ValidationError StackName=new
	UpdateStack ValidationError StackName=s TemplateBody=LOGS
	UpdateStack ValidationError StackName=lost TemplateBody=LOGS
	UpdateStack ValidationError StackName=going TemplateBody=OTHER
	UpdateStack InsufficientCapabilitiesException StackName=s TemplateBody=ROLE
	DeleteStack ValidationError StackName=kept
	DeleteStack ValidationError StackName=s RetainResources=["G"]
	CancelUpdateStack ValidationError StackName=s
	ContinueUpdateRollback ValidationError StackName=s
	RollbackStack ValidationError StackName=s
	UpdateTerminationProtection ValidationError StackName=lost EnableTerminationProtection=true
	UpdateTerminationProtection ValidationError StackName=ARN/stack/gone/0 EnableTerminationProtection=true
	CreateChangeSet AlreadyExistsException StackName=s ChangeSetName=c TemplateBody=OTHER
	CreateChangeSet InsufficientCapabilitiesException StackName=s ChangeSetName=new TemplateBody=ROLE
	CreateChangeSet ValidationError StackName=lost ChangeSetName=new TemplateBody=LOGS
	CreateChangeSet ValidationError StackName=s ChangeSetName=new TemplateBody=LOGS ChangeSetType=CREATE
	CreateChangeSet NotImplemented StackName=s ChangeSetName=new TemplateBody=LOGS ChangeSetType=IMPORT
	ExecuteChangeSet ChangeSetNotFound StackName=s ChangeSetName=lost
	ExecuteChangeSet InvalidChangeSetStatus StackName=s ChangeSetName=c
	ExecuteChangeSet ValidationError ChangeSetName=c
	ExecuteChangeSet ValidationError StackName=going ChangeSetName=ready
	DeleteChangeSet InvalidChangeSetStatus StackName=going ChangeSetName=c
	DeleteChangeSet ValidationError StackName=lost ChangeSetName=c
	DescribeChangeSet ChangeSetNotFound StackName=s ChangeSetName=lost
	DescribeChangeSet ChangeSetNotFound ChangeSetName=ARN/changeSet/lost/0
	DescribeChangeSet ValidationError StackName=lost ChangeSetName=c
	DescribeChangeSetHooks ChangeSetNotFound StackName=s ChangeSetName=lost
	DescribeChangeSetHooks ValidationError ChangeSetName=c
	ListChangeSets ValidationError StackName=lost
	DescribeStacks ValidationError StackName=lost
	DescribeStacks ValidationError NextToken=made-up
	ListStacks ValidationError NextToken=made-up
	DescribeStackEvents ValidationError StackName=lost
	DescribeStackResource ValidationError StackName=lost LogicalResourceId=G
	DescribeStackResource ValidationError StackName=s LogicalResourceId=Lost
	DescribeStackResources ValidationError StackName=lost
	DescribeStackResources ValidationError PhysicalResourceId=lost
	DescribeStackResources ValidationError
	ListStackResources ValidationError StackName=lost
	SignalResource ValidationError StackName=lost LogicalResourceId=G UniqueId=1 Status=SUCCESS
	SignalResource ValidationError StackName=s LogicalResourceId=G UniqueId=1 Status=SUCCESS
	SignalResource ValidationError StackName=going LogicalResourceId=Lost UniqueId=1 Status=SUCCESS
	SignalResource ValidationError StackName=going LogicalResourceId=G UniqueId=1 Status=FAILURE
	ListExports ValidationError NextToken=made-up
	ListImports ValidationError ExportName=lost
	ListImports ValidationError ExportName=e
	DescribeEvents ChangeSetNotFound ChangeSetName=ARN/changeSet/lost/0
	DescribeEvents ValidationError StackName=lost
	GetTemplate ChangeSetNotFound StackName=s ChangeSetName=lost
	GetTemplate ValidationError StackName=lost
	GetTemplate NotImplemented StackName=s ChangeSetName=c TemplateStage=Processed
	GetTemplateSummary ValidationError StackName=lost
	GetTemplateSummary ValidationError StackName=meant
	GetTemplateSummary ValidationError TemplateBody=lost
	ValidateTemplate ValidationError TemplateBody=lost
	GetStackPolicy ValidationError StackName=lost
`
