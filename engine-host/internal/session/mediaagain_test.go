package session

import (
	"fmt"
	"testing"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waevents "go.mau.fi/whatsmeow/types/events"
)

func TestAnAnswerReachesTheCallThatWaits(t *testing.T) {
	var answers mediaAnswers
	_, waiter := answers.take("A")
	if _, second := answers.take("A"); second != nil {
		t.Fatal("two calls wait for one answer")
	}
	answers.put(&waevents.MediaRetry{MessageID: "A"})
	if (<-waiter).MessageID != "A" {
		t.Fatal("another answer came")
	}
	answers.forget("A")
	if _, waiter = answers.take("A"); waiter == nil {
		t.Fatal("nobody can ask again")
	}
}

func TestLateAnswersAreKeptWithinABound(t *testing.T) {
	var answers mediaAnswers
	for i := range 3 * maxLateAnswers {
		answers.put(&waevents.MediaRetry{MessageID: fmt.Sprint(i)})
	}
	if len(answers.late) != maxLateAnswers {
		t.Fatalf("%d answers are kept", len(answers.late))
	}
	last := fmt.Sprint(3*maxLateAnswers - 1)
	if answer, _ := answers.take(last); answer == nil {
		t.Fatal("the last answer is gone")
	}
	if answer, waiter := answers.take(last); answer != nil || waiter == nil {
		t.Fatal("an answer is given twice")
	}
}

func TestAnAnswerThatCannotBeReadIsAFailure(t *testing.T) {
	for _, c := range []struct {
		answer *waevents.MediaRetry
		want   pb.MediaAnswer
	}{
		{&waevents.MediaRetry{Error: &waevents.MediaRetryError{Code: 2}}, pb.MediaAnswer_MEDIA_ANSWER_NOT_FOUND},
		{&waevents.MediaRetry{Error: &waevents.MediaRetryError{Code: 9}}, pb.MediaAnswer_MEDIA_ANSWER_FAILED},
		{&waevents.MediaRetry{Ciphertext: make([]byte, 40), IV: make([]byte, 12)}, pb.MediaAnswer_MEDIA_ANSWER_FAILED},
	} {
		if got := readAnswer(c.answer, make([]byte, 32)); got.Answer != c.want {
			t.Errorf("%v: %v", c.answer.Error, got.Answer)
		}
	}
}
