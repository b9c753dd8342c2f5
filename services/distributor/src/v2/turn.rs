//! One question to the database for all who ask the same at once.
//!
//! Nothing is remembered from one question to the next, so nothing served can be stale: an answer is shared only with
//! those who were waiting before its question was put. The more ask at once, the less each of them costs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Questions under way, by what is asked, and how many wait for each.
pub(super) struct Turns<K: Hash + Eq, A>(Mutex<HashMap<K, Waiting<A>>>);

/// How many wait, and for what.
type Waiting<A> = (usize, Arc<Turn<A>>);

struct Turn<A> {
    /// How many questions were put so far.
    put: Mutex<u64>,
    /// The last answer, and the number of its question. Whoever holds this puts the next one.
    last: tokio::sync::Mutex<Option<(u64, A)>>,
}

impl<A> Turn<A> {
    fn put(&self, step: u64) -> u64 {
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        *put += step;
        *put
    }
}

impl<K: Hash + Eq + Clone, A: Clone> Turns<K, A> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// The answer to a question that was put after this was called.
    pub(super) async fn ask<F: Future<Output = A>>(&self, key: K, question: impl FnOnce() -> F) -> A {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || (0, Arc::new(Turn { put: Mutex::new(0), last: tokio::sync::Mutex::new(None) }));
            let (waiting, turn) = turns.entry(key.clone()).or_insert_with(fresh);
            *waiting += 1;
            Arc::clone(turn)
        };
        let _leaving = Leaving { turns: self, key };
        let wanted = turn.put(0) + 1;
        let mut last = turn.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number >= wanted
        {
            return answer.clone();
        }
        let number = turn.put(1);
        // Whoever goes away here leaves no answer: the next in line puts the question again.
        let answer = question().await;
        *last = Some((number, answer.clone()));
        answer
    }
}

/// The last one to leave takes the turn away.
struct Leaving<'a, K: Hash + Eq, A> {
    turns: &'a Turns<K, A>,
    key: K,
}

impl<K: Hash + Eq, A> Drop for Leaving<'_, K, A> {
    fn drop(&mut self) {
        let mut turns = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((waiting, _)) = turns.get_mut(&self.key) {
            *waiting -= 1;
            if *waiting == 0 {
                turns.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_never_older_than_the_question() {
        let (turns, asked) = (Arc::new(Turns::new()), Arc::new(AtomicU64::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let ask = || {
            let (turns, asked, gate) = (Arc::clone(&turns), Arc::clone(&asked), Arc::clone(&gate));
            tokio::spawn(async move {
                turns
                    .ask("key", || async {
                        let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                        gate.acquire().await.unwrap().forget();
                        number
                    })
                    .await
            })
        };
        let first = ask();
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // These come while the first question is under way: its answer may be too old for them; one more is enough.
        let later: Vec<_> = (0..10).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), 1);
        for answer in later {
            assert_eq!(answer.await.unwrap(), 2);
        }
        gate.add_permits(1);
        assert_eq!(ask().await.unwrap(), 3);
        assert!(turns.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_that_goes_away_in_the_middle_leaves_the_question_to_the_next() {
        let turns: Arc<Turns<&str, u64>> = Arc::new(Turns::new());
        let gone = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.ask("key", std::future::pending).await }
        });
        tokio::task::yield_now().await;
        let next = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.ask("key", || async { 7 }).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert_eq!(next.await.unwrap(), 7);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
