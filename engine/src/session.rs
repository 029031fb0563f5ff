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
        match self.role {
            role::TRADE => {
                (kind::PLACE..=kind::AMEND).contains(&kind)
                    || (rules >= 2 && matches!(kind, kind::LIST_PLACE | kind::LIST_CANCEL | kind::COUNTDOWN))
            }
            role::WALLET | role::FIAT => (kind::CREDIT..=kind::RELEASE).contains(&kind),
            role::ADMIN => kind < kind::SESSION_OPEN,
            _ => false,
        }
    }
}

/// What to do with a command, by its session and number.
pub enum Admission {
    /// New: run it and keep its result with the session at this place.
    Run(usize),
    /// Seen before, unknown, or out of turn: this is the answer, and it is not kept.
    Answer(Outcome),
    /// New, but its role may not send it: this is the answer, and it is kept.
    Refuse(usize, Status),
}

#[derive(Default)]
pub struct Sessions {
    pub list: Vec<Session>,
    pub opened: u32,
    newest: usize,
}

impl Sessions {
    pub fn get(&self, id: u32) -> Option<&Session> {
        self.list.binary_search_by_key(&id, |session| session.id).ok().map(|at| &self.list[at])
    }

    #[inline]
    fn find(&mut self, id: u32) -> Option<usize> {
        if self.list.get(self.newest).is_none_or(|session| session.id != id) {
            self.newest = self.list.binary_search_by_key(&id, |session| session.id).ok()?;
        }
        Some(self.newest)
    }

    #[inline]
    pub fn admit(&mut self, header: &Header, rules: u32, sequence: u64) -> Admission {
        let number = header.number;
        let Some(at) = self.find(header.session) else {
            return Admission::Answer(Outcome::refused(status::UNKNOWN_SESSION));
        };
        let session = &mut self.list[at];
        if number <= session.last_number {
            let kept = &session.kept[(number % WINDOW) as usize];
            if number == 0 || kept.number != number {
                return Admission::Answer(Outcome::refused(status::STALE_NUMBER));
            }
            return Admission::Answer(kept.outcome.repeated());
        }
        session.last_number = number;
        session.last_used = sequence;
        if session.allows(header.kind, rules) {
            Admission::Run(at)
        } else {
            Admission::Refuse(at, status::NOT_PERMITTED)
        }
    }

    #[inline]
    pub fn keep(&mut self, at: usize, number: u64, outcome: Outcome) {
        self.list[at].kept[(number % WINDOW) as usize] = Kept { number, outcome };
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
