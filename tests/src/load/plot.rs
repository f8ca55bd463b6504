//! The pictures of a report, as SVG.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::phases::{Results, WINDOW};
use super::report::{All, find, works};

const COLOURS: [RGBColor; 7] = [
    RGBColor(31, 119, 180),
    RGBColor(142, 198, 236),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(214, 39, 40),
    RGBColor(255, 127, 14),
    RGBColor(247, 182, 120),
];
const FONT: &str = "sans-serif";
type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// Draws what an operation costs on each server, in microseconds.
///
/// # Panics
/// If a text cannot be written into memory.
pub fn costs(all: &All) -> String {
    let works = works(all, |row| row.window >= WINDOW);
    let height = works.len() * (all.len() * 9 + 24) + 110;
    drawn(u32::try_from(height).unwrap_or(4000), |area| draw_costs(area, all, &works))
}

/// Draws what the same work costs while one server grows.
///
/// # Panics
/// As [`costs`].
pub fn growth(results: &Results) -> String {
    drawn(420, |area| draw_growth(area, results))
}

fn drawn(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, height)).into_drawing_area();
        area.fill(&WHITE).expect("a text grows");
        draw(&area).expect("a text grows");
        area.present().expect("a text grows");
    }
    svg
}

fn draw_costs(area: &Area<'_>, all: &All, works: &[&str]) -> Result<(), Box<dyn Error>> {
    let each = all.len() as f64 + 1.5;
    let rows = || all.iter().flat_map(|(_, results)| works.iter().filter_map(|work| find(results, work)));
    let most = rows().map(super::figures::Row::total_cost).fold(10.0, f64::max) * 1.3;
    let mut chart = ChartBuilder::on(area)
        .caption("Processor time of an operation, µs (server + database)", (FONT, 18))
        .margin(12)
        .x_label_area_size(30)
        .build_cartesian_2d((1.0..most).log_scale(), -(works.len() as f64 * each)..0.0)?;
    chart.configure_mesh().disable_y_mesh().disable_y_axis().x_label_formatter(&|x| format!("{x:.0}")).draw()?;
    for (at, (subject, results)) in all.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let bars = works.iter().enumerate().filter_map(|(group, work)| {
            let cost = find(results, work)?.total_cost();
            let top = -(group as f64 * each) - 1.0 - at as f64;
            Some(Rectangle::new([(1.0, top), (cost.max(1.0), top - 0.85)], colour.filled()))
        });
        let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled());
        chart.draw_series(bars)?.label(subject.name()).legend(legend);
    }
    let names = works.iter().enumerate();
    chart.draw_series(
        names.map(|(group, work)| Text::new((*work).to_owned(), (1.02, -(group as f64 * each) - 0.1), (FONT, 13))),
    )?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

fn draw_growth(area: &Area<'_>, results: &Results) -> Result<(), Box<dyn Error>> {
    let steps = &results.steps;
    let most = steps.iter().map(|step| step.modify.max(step.refresh).max(step.scattered)).fold(10.0, f64::max) * 1.2;
    let (first, last) = (steps.first(), steps.last());
    let range =
        first.map_or(1.0, |step| step.subscriptions as f64)..last.map_or(10.0, |step| step.subscriptions as f64);
    let mut chart = ChartBuilder::on(area)
        .caption("Processor time of an operation while a server grows, µs", (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(range.log_scale(), 0.0..most)?;
    chart.configure_mesh().x_desc("subscriptions").x_label_formatter(&|x| format!("{x:.0}")).draw()?;
    type Of = fn(&super::phases::Step) -> f64;
    let series: [(&str, Of); 3] = [
        ("PUBLISH modify → 10 NOTIFYs", |step| step.modify),
        ("SUBSCRIBE refresh → NOTIFY, in the order they began", |step| step.refresh),
        ("SUBSCRIBE refresh → NOTIFY, from all over", |step| step.scattered),
    ];
    for (at, (name, of)) in series.into_iter().enumerate() {
        let colour = COLOURS[at * 2];
        let points = steps.iter().map(|step| (step.subscriptions as f64, of(step)));
        let line = LineSeries::new(points, colour.stroke_width(2)).point_size(4);
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.85)).border_style(BLACK.mix(0.3)).draw()?;
    Ok(())
}
