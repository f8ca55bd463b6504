//! What befalls the world: weather on the network, crashes, a database that fails, clocks that are set, other rules.

use crate::chance::Chance;
use crate::deadlines::Shifts;
use crate::devices::USERS;
use crate::disk::Mishap;
use crate::phones::{Mood, PHONES, Phone};
use crate::rules::RuleSet;
use crate::server::Server;
use crate::world::{DELAY_MAX_MS, Event, World};

/// How the network is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    lost_permille: u64,
    twice_permille: u64,
    pub(crate) late_permille: u64,
    /// How often a commit takes its time.
    slow_permille: u64,
}

impl Weather {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let mut up_to = |most: u64| if chance.permille(400) { 0 } else { chance.below(most) };
        Self {
            lost_permille: up_to(300),
            twice_permille: up_to(200),
            late_permille: up_to(300),
            slow_permille: up_to(200),
        }
    }
}

impl World {
    /// Carries a datagram, or loses it, or brings it twice, or late.
    pub(crate) fn carry(&mut self, arrive: impl Fn(Vec<u8>) -> Event, bytes: Vec<u8>) {
        let Weather { lost_permille, twice_permille, late_permille, .. } = self.weather;
        let copies = 1 + u64::from(self.chance.permille(twice_permille));
        for _ in 0..copies {
            let is_late = self.chance.permille(late_permille);
            let after_ms = self.chance.between(1, if is_late { DELAY_MAX_MS } else { 20 });
            if !self.chance.permille(lost_permille) {
                self.at(after_ms, arrive(bytes.clone()));
            }
        }
    }

    /// Draws how long the writer takes to come round.
    pub(crate) fn commit_delay(&mut self) -> u64 {
        let is_slow = self.chance.permille(self.weather.slow_permille);
        self.chance.below(if is_slow { 2000 } else { 5 })
    }

    /// Something happens.
    pub(crate) fn happen(&mut self) {
        self.events += 1;
        match self.chance.below(1000) {
            0..350 => self.publish(),
            350..720 => self.watch(),
            720..790 => self.change_rules(),
            790..860 => self.change_mood(),
            860..885 => self.weather = Weather::draw(&mut self.chance),
            885..905 => self.set_clock(),
            905..920 => self.ground.with(|ground| ground.is_dead = self.server_is_up()),
            920..930 => self.stop(),
            930..940 => self.lose_database(),
            940..965 => {
                let mishap = self.chance.pick(&[Mishap::Fails, Mishap::SaysNothing, Mishap::DiesAfter]);
                self.note(|| format!("the next commit {mishap:?}"));
                self.database.with(|disk| disk.mishap = Some(mishap));
                self.shifts.away_ms += 3000;
            }
            965..980 => {
                let guilty = format!("sip:s{}@", self.next_number() + 1);
                self.database.with(|disk| disk.poison = Some(guilty));
            }
            980..985 => self.flood(),
            985..993 => self.break_a_link(),
            993..1000 => self.meddle(),
            _ => {}
        }
        // Who is to die dies now, between two steps.
        if self.ground.with(|ground| ground.is_dead) {
            self.crash();
        }
    }

    fn server_is_up(&self) -> bool {
        self.server.is_some()
    }

    pub(crate) fn change_rules(&mut self) {
        let user = self.chance.index(USERS.len());
        let wall_s = self.wall_ms() / 1000;
        let rules = RuleSet::draw(&mut self.chance, wall_s);
        self.note(|| format!("rules of {}: {rules:?}", USERS[user]));
        self.database.write_rules(USERS[user], rules.document());
        let former = std::mem::replace(&mut self.rules[user], rules);
        let now = self.now_ms();
        self.former_rules[user].push((now, former));
    }

    /// Returns whether a subscriber may have been denied at one time or another since `since_ms`.
    pub(crate) fn may_be_denied(&self, at: usize, since_ms: u64) -> bool {
        /// It takes a look, and perhaps a database that is there, until other rules are in force.
        const LAG_MS: u64 = 15_000;
        let subscription = &self.subscriptions[at];
        let (user, phone) = (subscription.user, &self.phones[subscription.phone]);
        let former =
            self.former_rules[user].iter().filter(|(until, _)| until + LAG_MS > since_ms).map(|(_, rules)| rules);
        let is_open = self.configuration.force_active;
        let may_deny = |rules: &RuleSet| rules.may_deny(&phone.uri, is_open);
        !phone.is_of(user) && (may_deny(&self.rules[user]) || former.into_iter().any(may_deny))
    }

    fn change_mood(&mut self) {
        let phone = self.chance.index(PHONES);
        let mood = self.chance.pick(&[Mood::Good, Mood::Good, Mood::Good, Mood::Busy, Mood::Forgetful, Mood::Mute]);
        self.note(|| format!("phone {phone} is {mood:?}"));
        self.phones[phone].mood = mood;
    }

    fn set_clock(&mut self) {
        let by_ms = self.chance.between(1, 40) * 1000;
        let is_forward = self.chance.permille(500);
        self.note(|| format!("the clock is set {} by {by_ms}", if is_forward { "forward" } else { "back" }));
        let Shifts { forward_ms, back_ms, .. } = &mut self.shifts;
        *if is_forward { forward_ms } else { back_ms } += by_ms;
        self.ground.with(|ground| {
            ground.wall_ms = if is_forward { ground.wall_ms + by_ms } else { ground.wall_ms - by_ms };
        });
    }

    /// The process dies; another is started after a while.
    pub(crate) fn crash(&mut self) {
        self.note(|| "crash".into());
        self.server = None;
        self.ground.with(|ground| {
            ground.is_dead = false;
            ground.sent.clear();
        });
        self.be_away();
    }

    fn stop(&mut self) {
        self.note(|| "stop".into());
        let mut server = self.server.take();
        self.ground.with(|ground| ground.sent.clear());
        if let Some(server) = server.take() {
            server.stop();
            // Whatever it said with its last breath is not looked at: it may be lost like any datagram.
            self.ground.with(|ground| {
                ground.sent.clear();
                ground.is_dead = false;
            });
            self.be_away();
        }
    }

    fn be_away(&mut self) {
        self.lose_what_comes();
        self.witness.restarted();
        let away_ms = self.chance.below(3000);
        self.shifts.away_ms += away_ms;
        self.at(away_ms, Event::Start);
    }

    /// Starts the server, on a database that works.
    pub(crate) fn start(&mut self) {
        self.note(|| "start".into());
        self.restarts += 1;
        // A copy of what the former refused may still come.
        self.devices.iter_mut().for_each(|device| device.refused.clear());
        self.database.with(|disk| (disk.is_away, disk.mishap) = (false, None));
        self.server = Some(Server::start(&self.configuration, &self.ground, &self.database));
        self.serve(|_| ());
    }

    fn lose_database(&mut self) {
        if self.database.with(|disk| std::mem::replace(&mut disk.is_away, true)) {
            return;
        }
        let away_ms = self.chance.between(10, 5000);
        self.note(|| format!("the database is away for {away_ms}"));
        // It is noticed late, and tried again after a pause.
        self.shifts.away_ms += away_ms + 2500;
        self.at(away_ms, Event::Back);
    }

    pub(crate) fn back(&mut self) {
        self.database.with(|disk| disk.is_away = false);
    }

    /// Lets everything be as it should.
    pub(crate) fn calm_down(&mut self) {
        self.weather = Weather::default();
        // Whoever is mute may stay so: its subscriptions end, and all is quiet.
        let stays_mute = self.chance.permille(500);
        let is_good = |phone: &&mut Phone| phone.mood != Mood::Mute || !stays_mute;
        self.phones.iter_mut().filter(is_good).for_each(|phone| phone.mood = Mood::Good);
        self.database.with(|disk| (disk.mishap, disk.poison) = (None, None));
    }
}
