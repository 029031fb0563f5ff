//! Exactly once: the last number of each sending session and the results of its newest commands.

use crate::command::Header;
use crate::event::Outcome;
use crate::wire::*;

/// Results kept per session. A sender never has more than this in flight.
pub const WINDOW: u64 = 4_096;
pub const SESSIONS_MAX: usize = 1_024;

#[derive(Clone, Copy, Default)]
pub struct Kept {
    pub number: u64,
    pub outcome: Outcome,
}

pub struct Session {
    pub id: u32,
    pub role: u8,
    pub name: Vec<u8>,
    pub last_number: u64,
    /// Sequence of the newest command, by which the session unused longest is found.
    pub last_used: u64,
    pub kept: Box<[Kept; WINDOW as usize]>,
}

impl Session {
    pub fn new(id: u32, role: u8, name: &[u8], sequence: u64) -> Self {
        let kept = vec![Kept::default(); WINDOW as usize];
        let kept = kept.try_into().unwrap_or_else(|_| unreachable!("WINDOW results"));
        Session { id, role, name: name.to_vec(), last_number: 0, last_used: sequence, kept }
    }

    #[inline]
    fn allows(&self, kind: u8, rules: u32) -> bool {
        let is_order = (kind::PLACE..=kind::AMEND).contains(&kind);
        (self.role == role::TRADE && is_order) || self.allows_others(kind, rules)
    }

    #[inline(never)]
    fn allows_others(&self, kind: u8, rules: u32) -> bool {
        match self.role {
            role::TRADE => rules >= 2 && matches!(kind, kind::LIST_PLACE | kind::LIST_CANCEL | kind::COUNTDOWN),
            role::WALLET | role::FIAT => (kind::CREDIT..=kind::RELEASE).contains(&kind),
            role::ADMIN => kind < kind::SESSION_OPEN,
            _ => false,
        }
    }

    #[inline]
    fn admit(&mut self, header: &Header, rules: u32, sequence: u64) -> Admission {
        let number = header.number;
        if number <= self.last_number {
            return Admission::Answer(self.answer_again(number));
        }
        self.last_number = number;
        self.last_used = sequence;
        if self.allows(header.kind, rules) {
            Admission::Run
        } else {
            Admission::Refuse(status::NOT_PERMITTED)
        }
    }

    #[inline(never)]
    fn answer_again(&self, number: u64) -> Outcome {
        let kept = &self.kept[(number % WINDOW) as usize];
        if number == 0 || kept.number != number {
            return Outcome::refused(status::STALE_NUMBER);
        }
        kept.outcome.repeated()
    }
}

/// What to do with a command, by its session and number.
pub enum Admission {
    /// New: run it and keep its result.
    Run,
    /// Seen before, unknown, or out of turn: this is the answer, and it is not kept.
    Answer(Outcome),
    /// New, but its role may not send it: this is the answer, and it is kept.
    Refuse(Status),
}

#[derive(Default)]
pub struct Sessions {
    pub list: Vec<Session>,
    pub opened: u32,
    /// Where the session of the newest command is in the list. Most likely the next one is of the same.
    newest: usize,
}

impl Sessions {
    pub fn get(&self, id: u32) -> Option<&Session> {
        self.place(id).map(|at| &self.list[at])
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.list.binary_search_by_key(&id, |session| session.id).ok()
    }

    #[inline]
    pub fn admit(&mut self, header: &Header, rules: u32, sequence: u64) -> Admission {
        match self.list.get_mut(self.newest) {
            Some(session) if session.id == header.session => session.admit(header, rules, sequence),
            _ => self.admit_other(header, rules, sequence),
        }
    }

    #[inline(never)]
    fn admit_other(&mut self, header: &Header, rules: u32, sequence: u64) -> Admission {
        let Some(at) = self.place(header.session) else {
            return Admission::Answer(Outcome::refused(status::UNKNOWN_SESSION));
        };
        self.newest = at;
        self.list[at].admit(header, rules, sequence)
    }

    /// Keeps the result of the command just admitted.
    #[inline]
    pub fn keep(&mut self, number: u64, outcome: Outcome) {
        self.list[self.newest].kept[(number % WINDOW) as usize] = Kept { number, outcome };
    }

    /// Opens a session; the one unused longest makes room when there are too many.
    pub fn open(&mut self, role: u8, name: &[u8], sequence: u64) -> u32 {
        if self.list.len() == SESSIONS_MAX {
            let oldest = (0..self.list.len()).min_by_key(|&at| self.list[at].last_used).expect("not empty");
            self.list.remove(oldest);
        }
        self.opened += 1;
        self.list.push(Session::new(self.opened, role, name, sequence));
        self.opened
    }
}
