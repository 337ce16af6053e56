"""Draw the footwear: a casual shoe and a heel."""

from tools.sample_pictures.primitives import (
    BLACK,
    WHITE,
    Sheet,
    arc,
    filled,
    mottled,
    moved,
    ribbed,
    stroked,
    trace,
)


def draw_casual_shoe() -> Sheet:
    """Draw a canvas sneaker from the side, toe to the left."""
    navy, rubber, cream = (38, 54, 92), (240, 238, 230), (246, 244, 238)
    sheet = Sheet()
    canvas = ribbed(2.2, 0, 0.05) * ribbed(2.2, 90, 0.05) * mottled(1, 0.05)
    sheet.tint(filled(arc((240, 438), (200, 9))), BLACK, soft=8, opacity=0.5)

    tongue = filled(trace("M 186 330 C 206 290 226 258 252 240 Q 276 236 282 258 L 284 310"))
    sheet.paint(tongue, (30, 42, 74), bulge=6, texture=canvas)
    far_collar = filled(trace("M 268 272 Q 340 274 424 262 L 424 290 Q 350 326 276 300"))
    sheet.paint(far_collar, (196, 190, 178), bulge=8)
    upper = filled(
        trace(
            "M 40 404 C 38 362 66 346 104 338 C 156 328 196 308 224 284 Q 240 270 262 268 Q 280 270 288 282"
            " C 320 312 376 304 412 262 Q 426 252 436 264 C 430 300 438 350 440 404 Q 240 424 40 404"
        )
    )
    sheet.paint(upper, navy, bulge=13, relief=0.45, texture=canvas)
    sheet.tint(stroked(trace("M 288 284 C 320 316 378 308 414 264"), 5), (96, 112, 150), opacity=0.8, within=upper)

    toe_cap = filled(trace("M 30 420 L 30 300 L 90 330 Q 130 360 130 420")) * upper
    sheet.paint(toe_cap, cream, bulge=9, relief=0.4, edge=0.3)
    sheet.seam(trace("M 90 334 Q 132 362 131 412"), upper, thread=WHITE)
    for line in (
        trace("M 152 342 C 206 360 250 346 270 324 Q 284 308 290 290"),
        trace("M 294 296 Q 296 350 268 410"),
        trace("M 388 288 Q 396 340 384 410"),
    ):
        sheet.seam(line, upper, thread=(214, 218, 228))
    heel_tab = filled(trace("M 414 258 L 444 250 L 446 350 L 422 350 Q 416 300 414 258")) * upper
    sheet.paint(heel_tab, cream, bulge=5)

    for x, y in ((172, 330), (194, 321), (214, 309), (232, 295), (248, 280)):
        sheet.metal(filled(arc((x + 13, y + 14), (4.5, 4.5))), (206, 206, 206))
        lace = stroked(trace(f"M {x - 14} {y - 13} Q {x} {y - 7} {x + 13} {y + 13}"), 8)
        sheet.cast_shadow(lace, drop=2, soft=2, opacity=0.45)
        sheet.paint(lace, cream, bulge=2, texture=ribbed(3, 30, 0.05))
    for path in (
        "M 248 272 C 214 244 200 262 212 278 Q 228 288 250 276",
        "M 250 272 C 276 246 300 254 292 274 Q 276 286 252 274",
        "M 248 276 Q 256 308 282 326",
        "M 248 276 Q 236 294 224 296",
    ):
        bow = stroked(trace(path), 6)
        sheet.cast_shadow(bow, drop=2, soft=2, opacity=0.45)
        sheet.paint(bow, cream, bulge=2)
    sheet.paint(filled(arc((250, 274), (7, 6))), cream, bulge=3)

    sole = filled(trace("M 40 392 Q 240 416 442 390 Q 448 420 440 438 Q 240 444 52 440 Q 30 430 40 392"))
    sheet.paint(sole, rubber, bulge=7, relief=0.3, edge=0.4)
    stripe = trace("M 40 403 Q 240 425 443 401")
    sheet.tint(stroked(stripe, 4), (176, 40, 48), within=sole)
    sheet.tint(stroked(moved(stripe, 0, -11), 1.5), BLACK, soft=0.8, opacity=0.35, within=sole)
    tread = filled(trace("M 30 434 Q 240 440 450 432 L 450 446 L 30 446")) * sole
    sheet.paint(tread, (186, 172, 146), bulge=3, texture=ribbed(6, 0, 0.2))
    sheet.crease("M 146 346 Q 160 372 156 400", upper, width=7, opacity=0.2)
    return sheet


def draw_heel() -> Sheet:
    """Draw a stiletto pump from the side, toe to the left."""
    patent, lining = (26, 24, 28), (206, 168, 132)
    sheet = Sheet()
    sheet.tint(filled(arc((130, 474), (92, 6)), arc((410, 478), (26, 5))), BLACK, soft=6, opacity=0.5)

    inside = filled(trace("M 158 392 C 220 374 314 300 344 236 Q 366 184 404 180 L 410 230 L 300 380 L 180 410"))
    sheet.paint(inside, lining, bulge=9, edge=0.5)
    heel = filled(
        trace("M 330 336 L 426 256 C 430 320 422 400 416 476 L 402 476 C 400 430 396 384 352 360 Q 338 352 330 336")
    )
    sheet.paint(heel, patent, bulge=5, relief=0.9, edge=0.2)
    sole = filled(
        trace("M 52 466 Q 60 480 84 480 L 168 480 Q 196 478 222 458 C 280 410 330 372 384 346 L 300 340 L 150 450")
    )
    sheet.paint(sole, (150, 30, 40), bulge=4)
    upper = filled(
        trace(
            "M 48 464 C 56 446 92 424 122 404 Q 136 394 148 386 C 186 424 256 392 316 312 C 346 268 364 192 404 178"
            " Q 420 174 424 192 C 434 230 430 270 418 306 Q 406 332 382 344 C 326 366 276 404 218 452"
            " Q 194 470 166 473 L 84 474 Q 52 474 48 464"
        )
    )
    sheet.paint(upper, patent, bulge=11, relief=0.8, edge=0.1)
    topline = trace("M 148 386 C 186 424 256 392 316 312 C 346 268 364 192 404 178")
    sheet.tint(stroked(topline, 3), (92, 88, 94), opacity=0.9, within=upper)
    for gleam, width, opacity in (
        ("M 84 448 Q 120 422 156 402", 9, 0.6),
        ("M 214 424 Q 290 388 344 316", 9, 0.4),
        ("M 384 232 Q 408 206 412 196", 8, 0.45),
        ("M 398 262 Q 396 296 380 318", 12, 0.3),
    ):
        sheet.tint(stroked(trace(gleam), width), WHITE, soft=5, opacity=opacity, within=upper)
    sheet.tint(stroked(trace("M 406 346 Q 408 410 407 470"), 3), WHITE, soft=2, opacity=0.6, within=heel)
    sheet.paint(filled(trace("M 401 470 L 417 470 L 416 481 L 402 481")), (60, 58, 62), bulge=2)
    return sheet
